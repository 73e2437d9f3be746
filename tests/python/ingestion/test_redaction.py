"""What a message may say of a person or a secret, and what it must go on saying."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.core.errors import ExpectedError
from ingestion.core.redaction import redacted, without_contacts

LETTERS = "abcdefghijklmnopqrstuvwxyzäöüßéñçøłжあ"
LABEL = st.text(LETTERS + "0123456789-_", min_size=1, max_size=20)
NAME = st.text(LETTERS + "0123456789._+-'!#$^~", min_size=1, max_size=70).filter(lambda name: name[0] != "'")
DOMAIN = st.builds(".".join, st.lists(LABEL, min_size=1, max_size=4))
EMAIL = st.builds("{}@{}.{}".format, NAME, DOMAIN, st.text(LETTERS, min_size=2, max_size=10))

AROUND = [
    ("", ""),
    ("of ", " in a file"),
    ("('", "', 2)"),
    ('{"email": "', '"}'),
    ("<", ">,"),
    ("mailto:", "."),
    ("email=", ";"),
    ("[", "]"),
]

GROUP = st.sampled_from(
    [
        "({}) {}-{}",
        "({}){}-{}",
        "{}-{}-{}",
        "{}.{}.{}",
        "{} {} {}",
        "1-{}-{}-{}",
        "+1 {} {} {}",
        "+1{}{}{}",
        "+1 ({}) {}-{}",
    ]
)
DIGITS = [st.integers(10 ** (n - 1), 10**n - 1) for n in (3, 3, 4)]
NATIONAL = st.builds(str.format, GROUP, *DIGITS)
ABROAD = st.builds(
    "+{} {} {}".format, st.integers(20, 998), st.integers(10, 9999), st.integers(10_000, 9_999_999)
)


@settings(deadline=None)
@given(EMAIL, st.sampled_from(AROUND))
def test_no_email_address_is_left(email: str, around: tuple[str, str]) -> None:
    before, after = around
    assert redacted(f"{before}{email}{after}") == f"{before}***{after}"
    assert without_contacts([f"{before}{email}{after}", "else"]) == ["***", "else"]


@settings(deadline=None)
@given(st.emails(), st.sampled_from(AROUND))
def test_no_address_of_the_standard_is_left(email: str, around: tuple[str, str]) -> None:
    name, _, domain = email.rpartition("@")
    found = redacted(f"{around[0]}{email}{around[1]}")
    assert f"@{domain}" not in found or not name.strip("*/=?&%{|}`'")


@settings(deadline=None)
@given(NATIONAL | ABROAD, st.sampled_from(AROUND))
def test_no_telephone_number_is_left(phone: str, around: tuple[str, str]) -> None:
    before, after = around
    assert redacted(f"{before}{phone}{after}") == f"{before}***{after}"
    assert without_contacts([f"{before}{phone}{after}", 1]) == ["***", 1]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Could not convert string 'Jane O'Hara' to INT32", "Could not convert string '***' to INT32"),
        ("Could not convert string 'a\nb' to DATE\n\nLINE 1: select", "Could not convert string '***' to DATE\n\nLINE 1: select"),
        ('Could not parse string "Jane" according to format', 'Could not parse string "***" according to format'),
        ("Could not cast value 1980.5 to DECIMAL(3,2)", "Could not cast value *** to DECIMAL(3,2)"),
        (
            "calling o51.sql.\n: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 4.0 (TID 3):"
            " org.apache.spark.SparkNumberFormatException: [CAST_INVALID_INPUT] The value 'Jane' of the type \"STRING\" cannot be cast\n"
            "== SQL(line 1, position 8) ==\nselect cast(v as int)\n       ^^^^\n\n\tat org.apache(X.scala:1)\nCaused by: x: The value 'Jane'",
            "calling o51.sql.\n: org.apache.spark.SparkException: Job aborted due to stage failure:"
            " org.apache.spark.SparkNumberFormatException [CAST_INVALID_INPUT] ***\n"
            "== SQL(line 1, position 8) ==\nselect cast(v as int)\n       ^^^^",
        ),
        (
            "Job aborted due to stage failure: Task 0 (TID 1): java.lang.RuntimeException: a plan has no week\n\tat org",
            "Job aborted due to stage failure: a plan has no week",
        ),
        ("[CAST_OVERFLOW] The value 1980 of the type", "[CAST_OVERFLOW] ***"),
        ("Type INT64 with value 300 can't be cast to INT8", "Type INT64 with value *** can't be cast to INT8"),
        ('Casting value "12.34" to type DECIMAL(3,1) failed', 'Casting value "***" to type DECIMAL(3,1) failed'),
        ('invalid date field format: "Jane", expected format is (YYYY-MM-DD)', 'invalid date field format: "***", expected format is (YYYY-MM-DD)'),
        ('Duplicate key "name: Jane" violates unique constraint', 'Duplicate key "name: ***" violates unique constraint'),
        ('Malformed JSON at byte 0 of input: unexpected character.  Input: "Jane"', 'Malformed JSON at byte 0 of input: unexpected character.  Input: "***"'),
        ('Could not parse string "1 Jane" according to format specifier "%d"\n1 Jane\n  ^\nError: x', 'Could not parse string "***" according to format specifier "%d"\n***\n  ^\nError: x'),
        ('conversion of string "Jane \\x": unterminated', 'conversion of string "***": unterminated'),
        ('Could not decode string "Jane" as base64', 'Could not decode string "***" as base64'),
        ('Failed to cast value to numerical: "Jane"\nTry', 'Failed to cast value to numerical: "***"\nTry'),
        ("CSV Error on Line: 2\nOriginal Line: Jane,2\nError", "CSV Error on Line: 2\nOriginal Line: ***\nError"),
        ("Unknown TimeZone 'Jane'!", "Unknown TimeZone '***'!"),
        ('extract specifier "Jane" not recognized', 'extract specifier "***" not recognized'),
        ('invalid input syntax for type integer: "Jane"', 'invalid input syntax for type integer: "***"'),
        ('date/time field value out of range: "1980-02-30"', 'date/time field value out of range: "***"'),
        ('value "123456" is out of range for type smallint', 'value "***" is out of range for type smallint'),
        ("Key (first_name)=(Jane) already exists.", "Key (first_name)=(***) already exists."),
        ("DETAIL:  Failing row contains (1, Jane, (x) y).\nCONTEXT: a", "DETAIL:  Failing row contains (***).\nCONTEXT: a"),
        ('COPY people, line 3, column age: "Jane"', 'COPY people, line 3, column age: "***"'),
        ("postgresql://crm:s3cret@host:5432/db", "postgresql://crm:***@host:5432/db"),
        ("nats://s3cret@host:4222/TILLS", "nats://***@host:4222/TILLS"),
        ("Authorization: Bearer abc.DEF-123456", "Authorization: Bearer ***"),
        ("?page=1&token=abc&x=2 password='a b' SOURCES__X__TOKEN=abc", "?page=1&token=***&x=2 password=*** SOURCES__X__TOKEN=***"),
        ('"api_key": "0123456789abcdef0123"', '"api_key": "***"'),
        ('{"password": "s3cret", "user": "crm"}', '{"password": ***, "user": "crm"}'),
        ("jane\uff20example.org, jane@example\uff0eorg", "***, ***"),
        ("(803)\u00a0555\u20110138, 803\u2011555\u20110138", "***, ***"),
    ],
)  # fmt: skip
def test_values_that_databases_quote_and_secrets_are_replaced(said: str, left: str) -> None:
    assert redacted(f"before {said}") == f"before {left}"


@pytest.mark.parametrize(
    "said",
    [
        "models/staging/stg_loyalty__households.sql:12: column email of type VARCHAR, 22,600,000 rows, 2017-01-02 13:14:15",
        "load 1795863236.1499267, generation 20261128T211311676Z, coupon 54589399255, product 5989123456",
        'Binder Error: Referenced column "phone" not found in FROM clause! Candidate bindings: "households.phone"',
        "CHECK constraint failed on table marts.fct_baskets with expression CHECK((sales_usd >= 0))",
        "NOT NULL constraint failed: households.email; the key of stores must be of whole numbers",
        "SOURCES__CAMPAIGNS__TOKEN is missing: set it in .dlt/secrets.toml, http://127.0.0.1:8080/v1/campaigns answered 503",
        "7UP 12PK 2L, 100-250 CT, UPC 0-12000-00129-4, 24/12 OZ, 1.5 LTR @ 2 FOR 3.00",
    ],
)
def test_what_helps_is_kept(said: str) -> None:
    assert redacted(said) == said


@pytest.mark.parametrize(
    "unit", ["a@", "a", "1-", "+1 ", "Could not convert string '", "a'", "://a:", "Failing row contains ("]
)
def test_long_text_takes_no_longer_than_its_length(unit: str) -> None:
    """A pattern that goes back over what it has read would take hours for these 3 MB: the test would not end."""
    text = unit * (3_000_000 // len(unit))
    assert redacted(text) == text


def test_an_error_for_operators_is_redacted() -> None:
    error = ExpectedError("jane@example.com cannot be reached at http://u:s3cret@host/", "Call 555-010-1234.")
    assert (str(error), error.next_step) == ("*** cannot be reached at http://u:***@host/", "Call ***.")
