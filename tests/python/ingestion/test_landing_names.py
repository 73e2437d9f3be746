"""What lies in a landing folder besides whole files under their names, and groups of stores that come, go and change."""

import gzip
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from ingestion.connectors import landing
from ingestion.core.errors import IngestionError
from ingestion.lake.loads import completed_loads
from ingestion.pipelines import Loaded, ingest

HEADER = (
    "basket_id,household_id,store_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,"
    "week,transaction_timestamp\n"
)
ROWS = 3
"""In each file."""


class Shop:
    """A landing folder, and the lake that is loaded from it."""

    def __init__(self, root: Path) -> None:
        self.root, self.landing = root, root / "landing"

    def text(self, day: int, store: int) -> str:
        return HEADER + "".join(
            f"{day}{store:02}{n},1,{store},{n},1,1.50,0.00,0.00,0.00,1,2017-01-{day:02}T15:00:00Z\n"
            for n in range(ROWS)
        )

    def path(self, day: int, name: str) -> Path:
        path = self.landing / f"business_date=2017-01-{day:02}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def deliver(self, day: int, name: str) -> Path:
        """A whole file of a group of stores: group b has the stores 4, 8, …, every other one the rest."""
        path, text = self.path(day, name), self.text(day, 4 if name.startswith("sales_b") else 1).encode()
        if name.endswith(".parquet"):
            pq.write_table(pacsv.read_csv(pa.BufferReader(text)), path)
        else:
            path.write_bytes(gzip.compress(text))
        return path

    def load(self) -> Loaded:
        return ingest("pos", self.root / "lake", self.root / "dlt", lambda _: None)

    def rows(self) -> int:
        return self.load().rows.get("transactions", 0)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Two whole days of two groups."""
    made = Shop(tmp_path)
    monkeypatch.setenv("SOURCES__POS__LANDING", str(made.landing))
    for day in (1, 2):
        made.deliver(day, "sales_a.parquet")
        made.deliver(day, "sales_b.csv.gz")
    return made


def test_what_is_not_named_as_a_delivery_is_told_and_blocks_nothing(shop: Shop) -> None:
    for name in (
        "sales_a.parquet.md5",
        "sales_b.csv.gz.bak",
        "sales_a (1).parquet",
        "sales_b.csv",
        "note.txt",
    ):
        shop.path(2, name).write_bytes(b"whatever")
    for name in (".sales_a.parquet.swp", "_SUCCESS"):
        shop.path(2, name).write_bytes(b"")
    found = shop.load()
    assert (found.rows, found.blocked, found.misplaced) == ({"transactions": 4 * ROWS}, {}, [])
    assert found.notes == [
        "not loaded, not named as a delivery: business_date=2017-01-02/note.txt and 4 more"
    ]


def test_a_name_that_no_text_can_have_is_told(shop: Shop) -> None:
    Path(os.fsdecode(bytes(shop.path(2, "x")) + b"\xff")).write_bytes(b"")
    assert "business_date=2017-01-02/x\\xff" in shop.load().notes[0]


def test_a_folder_that_names_no_day_keeps_nothing_else_from_loading(shop: Shop) -> None:
    for day in ("2017-02-30", "20170103", "2017-W01-3", "٢٠١٧-٠١-٠٣", ""):
        shutil.copytree(shop.landing / "business_date=2017-01-01", shop.landing / f"business_date={day}")
    found = shop.load()
    assert found.rows == {"transactions": 4 * ROWS}
    assert len(found.misplaced) == 5
    assert "business_date=2017-02-30 does not name a day" in " ".join(found.misplaced)


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


def a_link(path: Path) -> None:
    """To a file that is what it should be: whoever delivers could name any file of this account."""
    elsewhere = path.parents[2] / "elsewhere.parquet"
    shutil.copyfile(path.parents[1] / "business_date=2017-01-01/sales_a.parquet", elsewhere)
    path.symlink_to(elsewhere)


def a_socket(path: Path) -> None:
    os.chdir(path.parent)  # the path of a socket is short
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(path.name)


@pytest.mark.parametrize("make", [dangling, a_link, os.mkfifo, Path.mkdir, a_socket])
def test_what_is_no_file_is_quarantined_until_the_file_comes(
    shop: Shop, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.root)
    shop.deliver(3, "sales_b.csv.gz")
    path = shop.path(3, "sales_a.parquet")
    make(path)
    found = shop.load()
    (entry,) = found.quarantined
    assert entry["place"] == "business_date=2017-01-03/sales_a.parquet"
    assert entry["reason"].startswith("the file cannot be read: ")
    assert (found.rows, len(found.blocked)) == ({"transactions": 5 * ROWS}, 1)
    assert shop.load().quarantined == []
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    shop.deliver(3, "sales_a.parquet")
    found = shop.load()
    assert (found.rows, found.blocked) == ({"transactions": ROWS}, {})


def test_a_folder_that_is_a_link_is_not_followed_until_it_is_one(shop: Shop) -> None:
    """Not even when what it holds is of the same size and time as what was behind the link."""
    for name in ("sales_a.parquet", "sales_b.csv.gz"):
        shop.deliver(3, name)
    folder, elsewhere = shop.path(3, ""), shop.root / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    found = shop.load()
    assert {entry["reason"] for entry in found.quarantined} == {
        "the file cannot be read: its folder is a symbolic link"
    }
    assert (found.rows, len(found.quarantined), shop.rows()) == ({"transactions": 4 * ROWS}, 2, 0)
    folder.unlink()
    elsewhere.rename(folder)
    assert shop.rows() == 2 * ROWS


def test_neither_a_device_nor_a_large_file_is_opened(shop: Shop) -> None:
    assert landing._problem(Path("/dev/zero").stat()) == "it is not a regular file"
    path = shop.path(2, "sales_a.parquet")
    os.truncate(path, landing.MAX_BYTES + 1)
    (entry,) = shop.load().quarantined
    assert entry["reason"] == f"the file cannot be read: {landing.TOO_LARGE}"


def test_a_landing_folder_that_cannot_be_listed_is_named(shop: Shop) -> None:
    shutil.rmtree(shop.landing)
    for wrong in (lambda: None, shop.landing.touch):
        wrong()
        with pytest.raises(IngestionError, match=f"landing folder {shop.landing} cannot be read"):
            shop.load()


@pytest.mark.parametrize("make", [dangling, Path.touch, lambda path: path.symlink_to(path.name)])
def test_a_folder_of_a_day_that_cannot_be_listed_is_named(shop: Shop, make: Callable[[Path], None]) -> None:
    """As one without permission: a search by pattern finds nothing in it, and says nothing."""
    make(shop.landing / "business_date=2017-01-03")
    found = shop.load()
    assert found.rows == {"transactions": 4 * ROWS}
    assert len(found.misplaced) == 1
    assert found.misplaced[0].startswith("landing folder business_date=2017-01-03 cannot be read: ")


@pytest.mark.parametrize("name", ["till [new]", "a%20b", "a*", "a?b", "{a,b}"])
def test_a_landing_folder_may_have_any_name(shop: Shop, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(shop.landing, shop.root / "aXb")
    shutil.copytree(shop.landing, shop.root / name)
    monkeypatch.setenv("SOURCES__POS__LANDING", str(shop.root / name))
    assert [shop.rows(), shop.rows()] == [4 * ROWS, 0]


def test_a_group_may_begin_later(shop: Shop) -> None:
    shop.load()
    for name in ("sales_a.parquet", "sales_b.csv.gz", "sales_c.parquet"):
        shop.deliver(3, name)
    assert shop.rows() == 3 * ROWS
    for name in ("sales_a.parquet", "sales_b.csv.gz"):
        shop.deliver(4, name)
    shop.deliver(5, "sales_c.parquet")
    with pytest.raises(IngestionError, match=r"missing in .*: business_date=2017-01-04/sales_c.parquet$"):
        shop.load()


def test_a_group_may_end_and_that_is_told(shop: Shop) -> None:
    shop.load()
    shop.deliver(3, "sales_a.parquet")
    found = shop.load()
    assert found.rows == {"transactions": ROWS}
    assert found.notes == [
        "no file of sales_b after 2017-01-02, others are at 2017-01-03: has the group ended?"
    ]


def test_a_group_may_go_over_to_the_other_format_but_delivers_a_day_once(shop: Shop) -> None:
    shop.load()
    shop.deliver(3, "sales_a.csv.gz")
    shop.deliver(3, "sales_b.parquet")
    found = shop.load()
    assert (found.rows, found.notes, found.misplaced) == ({"transactions": 2 * ROWS}, [], [])
    shop.deliver(3, "sales_a.parquet")
    found = shop.load()
    assert found.rows == {}
    assert found.misplaced == [
        "business_date=2017-01-03/sales_a.parquet is not loaded:"
        " business_date=2017-01-03/sales_a.csv.gz is the same group's file of the day"
    ]


@pytest.mark.parametrize("end", [".filepart", ".part", ".tmp", ".crdownload", " (1).gz"])
def test_an_upload_under_way_names_the_file_that_is_missing(shop: Shop, end: str) -> None:
    shop.load()
    shop.deliver(3, "sales_a.parquet")
    upload = shop.deliver(3, "sales_b.csv.gz" + end)
    with pytest.raises(IngestionError) as raised:
        shop.load()
    assert str(raised.value) == (
        f"till files are missing in {shop.landing}: business_date=2017-01-03/sales_b.csv.gz"
        f" (there is business_date=2017-01-03/sales_b.csv.gz{end})"
    )
    upload.rename(upload.with_name("sales_b.csv.gz"))
    assert shop.rows() == 2 * ROWS


BAD: dict[str, Callable[[str], bytes]] = {
    "no row fits": lambda text: (text.splitlines()[0] + "\n1,2\n").encode(),
    "header without newline, of other columns": lambda _: b"a,b,c",
    "header of a column twice": lambda text: text.replace("quantity", "week", 1).encode(),
    "no header": lambda text: text.partition("\n")[2].encode(),
    "cut line": lambda text: text[:-30].encode(),
    "long field": lambda text: text.replace("\n", "," + "x" * 200_000 + "\n", 2).encode(),
    "large amount": lambda text: text.replace("1.50", "9999999999999999.99").encode(),
    "latin-1": lambda text: text.replace("1.50", "1é", 1).encode("latin-1"),
    "utf-16": lambda text: text.encode("utf-16"),
    "NUL": lambda text: text.replace("1.50", "\0", 1).encode(),
    "stray quote": lambda text: text.replace("1.50", '"1.50', 1).encode(),
    "packed twice": lambda text: gzip.compress(text.encode()),
    "nothing": lambda _: b"",
}  # fmt: skip


def test_whatever_was_wrong_the_next_good_delivery_repairs_it(shop: Shop) -> None:
    for day, break_ in enumerate(BAD.values(), start=1):
        shop.deliver(day, "sales_a.parquet")
        shop.path(day, "sales_b.csv.gz").write_bytes(gzip.compress(break_(shop.text(day, 4))))
    found = shop.load()
    assert {entry["place"][22:24] for entry in found.quarantined} == {f"{n + 1:02}" for n in range(len(BAD))}
    assert found.blocked and not completed_loads(shop.root / "lake/raw/pos")
    for day in range(1, len(BAD) + 1):
        shop.deliver(day, "sales_b.csv.gz")
    found = shop.load()
    assert (found.rows, found.blocked, found.quarantined) == ({"transactions": len(BAD) * ROWS}, {}, [])


def test_a_header_alone_is_a_day_without_sales_but_not_one_of_other_columns(shop: Shop) -> None:
    shop.load()
    file = shop.path(2, "sales_b.csv.gz")
    for text in ("a,b,c", HEADER.replace(",week", "")):
        file.write_bytes(gzip.compress(text.encode()))
        found = shop.load()
        assert (len(found.quarantined), found.rows) == (1, {}) and found.blocked
    file.write_bytes(gzip.compress(HEADER.strip().encode()))
    assert shop.load().blocked == {}
