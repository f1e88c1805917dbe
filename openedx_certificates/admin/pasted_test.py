"""What is read from what people paste into a search."""

from uuid import UUID

import pytest

from openedx_certificates.admin.pasted import PART_MAX_LENGTH, PARTS_MAX, Pasted, read_pasted

UUID_TEXT = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
OF_UUID = Pasted(uuids=(UUID(UUID_TEXT),))
COURSE_ID = "course-v1:MITx+6.00x+1T2026"
OF_COURSE = Pasted(course_ids=(COURSE_ID,))
OF_ANNA = Pasted(addresses=("a@b.example",))


@pytest.mark.parametrize(
    "text",
    [
        UUID_TEXT,
        UUID_TEXT.upper(),
        UUID_TEXT.replace("-", ""),
        f"{{{UUID_TEXT}}}",
        f"\u201c{UUID_TEXT}\u201d.",
        f"urn:uuid:{UUID_TEXT}",
        f"https://mitxonline.mit.edu/certificate/{UUID_TEXT}/",
        f"https://mitxonline.mit.edu/certificate/{UUID_TEXT}",
        f"https://mitxonline.mit.edu/certificate/{UUID_TEXT.upper()}/?utm=mail&to=a@b.example#top",
        f"https%3A%2F%2Fmitxonline.mit.edu%2Fcertificate%2F{UUID_TEXT}%2F",
        f"/certificate/{UUID_TEXT}/",
        f"certificate/{UUID_TEXT}",
        f"mitxonline.mit.edu/certificate/{UUID_TEXT},",
        f"My certificate <https://mitxonline.mit.edu/certificate/{UUID_TEXT}/>, please",
    ],
)
def test_a_certificate_by_its_address_or_uuid(text: str):
    assert read_pasted(text) == OF_UUID


@pytest.mark.parametrize(
    "text",
    [
        "a@b.example",
        "a@b.example,",
        " a@b.example; ",
        "\u00a0a@b.example\u3000\r\n",
        "<a@b.example>",
        "(a@b.example).",
        "[a@b.example]",
        "'a@b.example'",
        '"a@b.example"',
        "\u00aba@b.example\u00bb",
        "`a@b.example`",
        "\ufeffa@b.example\u200b",
        "\u202aa@\u200bb.example\u202c",
        "\u2800a@b.example\u3164",
        "\u200da@b.example\ufe0f",
        "\0a@b.example\x7f",
        "\ud800a@b.example",
        "mailto:a@b.example",
        "mailto:a@b.example?subject=Hi",
        "a%40b.example",
        "E-mail:a@b.example",
        "Name <a@b.example>",
        '"Name, A." <a@b.example>',
        "A Name a@b.example",
        "a@b.example <mailto:a@b.example>",
    ],
)
def test_an_address(text: str):
    assert read_pasted(text) == OF_ANNA


@pytest.mark.parametrize(
    "text",
    [
        COURSE_ID,
        f"{COURSE_ID}.",
        f"'{COURSE_ID}',",
        "course-v1%3AMITx%2B6.00x%2B1T2026",
        f"https://courses.example/courses/{COURSE_ID}/progress",
        "https://courses.example/courses/course-v1%3AMITx%2B6.00x%2B1T2026/?a=b",
        f"https://courses.example/?course={COURSE_ID}&a=b",
    ],
)
def test_a_course_id(text: str):
    assert read_pasted(text) == OF_COURSE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COURSE-V1:mitx+6.00X", Pasted(course_ids=("COURSE-V1:mitx+6.00X",))),
        ("ccx-v1:MITx+6x+R1+ccx@99", Pasted(course_ids=("ccx-v1:MITx+6x+R1+ccx@99",))),
        ("MITx/6.00x/2012", Pasted(course_ids=("MITx/6.00x/2012",))),
        (f"{UUID_TEXT}@b.example", Pasted(addresses=(f"{UUID_TEXT}@b.example",))),
        ("a+tag@b.example", Pasted(addresses=("a+tag@b.example",))),
        ("o'brien@b.example", Pasted(addresses=("o'brien@b.example",))),
        ("anna@", Pasted(addresses=("anna@",))),
        ("Ana Díaz", Pasted(words=("Ana", "Díaz"))),
        ("Di\u0301az, Ana", Pasted(words=("Díaz", "Ana"))),
        ("O'Brien", Pasted(words=("O'Brien",))),
        ("क्\u200dष", Pasted(words=("क्\u200dष",))),
        ("50% _anna", Pasted(words=("50%", "_anna"))),
        (
            f"Anna <a@b.example> {COURSE_ID}",
            Pasted(course_ids=(COURSE_ID,), addresses=("a@b.example",)),
        ),
        (f"anna {COURSE_ID}", Pasted(course_ids=(COURSE_ID,), words=("anna",))),
    ],
)
def test_what_is_something_else_or_more(text: str, expected: Pasted):
    assert read_pasted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \u200b\u3164 ",
        ", ; <> '\"",
        "%",
        "%00%0a",
        "-",
        "@",
        "word " * (PARTS_MAX + 1),
        "a" * (PART_MAX_LENGTH + 1),
    ],
)
def test_nothing_that_can_be_looked_up(text: str):
    assert read_pasted(text) == Pasted()
