"""The README says of sections what the registry says."""

from conftest import ROOT
from darkparse.zoo import support_table

BEGIN, END = "<!-- sections -->\n", "<!-- /sections -->\n"


def test_the_table_of_sections_is_up_to_date() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    before, _, rest = text.partition(BEGIN)
    table, _, _ = rest.partition(END)
    assert before.rpartition("\n## ")[2].startswith("What runs\n")
    wanted = "\n".join(support_table())
    assert table.strip() == wanted, (
        "README.md, 'What runs': the table is not that of the registry; put what `darkparse zoo --sections` prints "
        f"between {BEGIN.strip()} and {END.strip()}"
    )
