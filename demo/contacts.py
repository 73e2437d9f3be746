"""Synthetic contact details of households: made from the household id alone, of no real person.

The real data has none. Names come from short lists, mail goes to the reserved domains example.com and example.org,
phone numbers are in the range 555-0100 to 555-0199 that is kept free for fiction, and the birth date fits the age band
wherever the real demographics know it.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta

from demo.clock import REAL_YEAR

FIRST_NAMES = (
    "Ada", "Alma", "Amir", "Ana", "Ben", "Bruno", "Carla", "Chen", "Clara", "Dana", "David", "Dora", "Elena", "Eli",
    "Emil", "Farah", "Felix", "Grace", "Hana", "Hugo", "Ida", "Ines", "Ivan", "Jane", "Joel", "Jonas", "Kira", "Lena",
    "Leo", "Lin", "Louis", "Mara", "Maya", "Milo", "Nadia", "Nina", "Noah", "Omar", "Paula", "Petra", "Quinn", "Rosa",
    "Ruth", "Sam", "Sara", "Tara", "Theo", "Tom", "Vera", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Abbott", "Alvarez", "Baker", "Barnes", "Becker", "Bishop", "Brandt", "Castillo", "Chandler", "Cohen", "Cooper",
    "Diaz", "Dixon", "Doyle", "Ellis", "Farmer", "Fischer", "Fleming", "Garcia", "Grant", "Haddad", "Harper", "Hayes",
    "Iverson", "Jensen", "Kaplan", "Keller", "Khan", "Lambert", "Larsen", "Lopez", "Marsh", "Meyer", "Miller", "Moreau",
    "Nolan", "Novak", "Okafor", "Olsen", "Parker", "Patel", "Reyes", "Rossi", "Sato", "Silva", "Turner", "Vogel",
    "Walker", "Weber", "Young",
)  # fmt: skip
AREA_CODES = (212, 216, 267, 302, 304, 330, 412, 419, 440, 513, 614, 717, 740, 803, 859, 937)
MAIL_DOMAINS = ("example.com", "example.org")
POSTAL_CODES = tuple(f"45{number}" for number in range(201, 261))
ANY_AGE = (19, 84)
OLDEST = 90


@dataclass(frozen=True)
class Contact:
    """What the CRM has of a household that the real data does not."""

    first_name: str
    last_name: str
    email: str
    phone: str
    postal_code: str
    birth_date: date


def contact(household_id: int, age_band: str | None) -> Contact:
    """The details with which a household registers; `age_band` is '25-34', '65+' or None where unknown."""
    first_name = FIRST_NAMES[_number(household_id, "first name") % len(FIRST_NAMES)]
    last_name = LAST_NAMES[_number(household_id, "last name") % len(LAST_NAMES)]
    domain = MAIL_DOMAINS[_number(household_id, "domain") % len(MAIL_DOMAINS)]
    return Contact(
        first_name=first_name,
        last_name=last_name,
        email=f"{first_name}.{last_name}.{household_id}@{domain}".lower(),
        phone=_phone(household_id, address=0),
        postal_code=_postal_code(household_id, address=0),
        birth_date=_birth_date(household_id, age_band),
    )


def moving_day(household_id: int, registered_on: date, last_day: date) -> date | None:
    """The day up to `last_day` on which a household moves: about one in twenty does, never on its first day."""
    days_left = (last_day - registered_on).days
    if days_left < 1 or _number(household_id, "moves") % 20:
        return None
    return registered_on + timedelta(days=1 + _number(household_id, "moving day") % days_left)


def new_address(household_id: int) -> tuple[str, str]:
    """Phone number and postal code after the move; both differ from those before."""
    return _phone(household_id, address=1), _postal_code(household_id, address=1)


def _phone(household_id: int, address: int) -> str:
    area = AREA_CODES[_number(household_id, f"area {address}") % len(AREA_CODES)]
    # The two addresses take even and odd lines, so that a move always changes the number.
    line = 2 * (_number(household_id, f"line {address}") % 50) + address
    return f"({area}) 555-01{line:02d}"


def _postal_code(household_id: int, address: int) -> str:
    before = _number(household_id, "postal code") % len(POSTAL_CODES)
    if address == 0:
        return POSTAL_CODES[before]
    distance = 1 + _number(household_id, "new postal code") % (len(POSTAL_CODES) - 1)
    return POSTAL_CODES[(before + distance) % len(POSTAL_CODES)]


def _birth_date(household_id: int, age_band: str | None) -> date:
    """A birth date with which the household stays inside its age band during all of the real year."""
    youngest, oldest = _ages(age_band)
    birth_year = REAL_YEAR - oldest + _number(household_id, "birth year") % (oldest - youngest)
    return date(birth_year, 1, 1) + timedelta(days=_number(household_id, "birthday") % 365)


def _ages(age_band: str | None) -> tuple[int, int]:
    if age_band is None:
        return ANY_AGE
    if age_band.endswith("+"):
        return int(age_band[:-1]), OLDEST
    youngest, oldest = age_band.split("-")
    return int(youngest), int(oldest)


def _number(household_id: int, purpose: str) -> int:
    digest = hashlib.blake2b(f"{purpose}/{household_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
