"""The certificate's page in a browser: for everybody, on every width, and on paper."""

import io
from typing import Any

import pytest
from pypdf import PdfReader

from courses.factories import CourseRunCertificateFactory
from courses.models import CourseRunCertificate
from openedx_certificates.credentials.keys import SigningKey
from tools.browser import Page
from tools.browser.accessibility import find_violations

Fields = dict[str, str]
ANA = {
    "user__name": "Ana Díaz",
    "course_run__course__title": "Fundamentals of Statistics",
    "course_run__title": "Statistics in spring",
    "course_run__courseware_id": "course-v1:MITxT+18.6501x+R1",
}
# Every column full of the widest letter, without a space.
LONGEST = {
    "user__name": "W" * 255,
    "course_run__course__title": "M" * 255,
    "course_run__title": "W" * 255,
    "course_run__courseware_id": "course-v1:" + "W" * 245,
}
FROM_RIGHT_TO_LEFT = {
    "user__name": "نور الحسن 🎓",
    "course_run__course__title": "מבוא <b>לסטטיסטיקה</b> & 統計学入門",
    "course_run__title": "\u202e反",
}
OF_LEARNERS = pytest.mark.parametrize(
    "fields", [ANA, LONGEST, FROM_RIGHT_TO_LEFT], ids=["ana", "longest", "from_right_to_left"]
)
# Width and height of the sheet in millimetres.
ACROSS = {
    "A5": (210, 148),
    "B5": (250, 176),
    "Executive": (267, 184),
    "16:9": (254, 143),
    "A4": (297, 210),
    "Letter": (279, 216),
    "A3": (420, 297),
}
UPRIGHT = {f"{paper} upright": (size[1], size[0]) for paper, size in ACROSS.items()}
PHONE, TABLET, DESKTOP = 375, 768, 1280
# The least that WCAG's "reflow" asks for: a desktop at 400%.
NARROWEST = 320
MILLIMETRE = 72 / 25.4


@pytest.fixture(autouse=True)
def signing(settings: Any) -> None:
    """The site signs: the page has the most that it can have."""
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = [SigningKey.generate().secret]
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_SITE = "https://certificates.example.org"


def give(**fields: object) -> CourseRunCertificate:
    return CourseRunCertificateFactory.create(**fields)


def overflow_of(page: Page) -> int:
    """How far the page reaches beyond the window; the widest of its parts counts."""
    return page.evaluate(
        """Math.max(
            document.documentElement.scrollWidth,
            ...[...document.querySelectorAll('main *')].map(
                part => Math.round(part.getBoundingClientRect().right))
        ) - document.documentElement.clientWidth"""
    )


def add_style(page: Page, rules: str) -> None:
    # As a sheet of our own making: the policy forbids inline style.
    page.evaluate(
        """rules => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(rules);
            document.adoptedStyleSheets = [sheet];
        }""",
        rules,
    )


def find_faults(page: Page) -> tuple[list[str], int]:
    return find_violations(page), overflow_of(page)


@OF_LEARNERS
@pytest.mark.parametrize("width", [NARROWEST, PHONE, TABLET, DESKTOP])
def test_axe_finds_nothing_on_the_page_and_nothing_is_wider_than_the_window(look_at, fields, width):
    assert look_at(give(**fields).link, find_faults, width=width) == ([], 0)


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("is_revoked", [True, False], ids=["revoked", "unknown"])
def test_axe_finds_nothing_where_there_is_no_certificate(look_at, width, is_revoked):
    link = give(is_revoked=True).link if is_revoked else "/certificate/nonsense/"

    assert look_at(link, find_faults, width=width) == ([], 0)


def test_axe_would_find_a_fault_on_this_page(look_at):
    def plant(page: Page) -> list[str]:
        page.evaluate("document.querySelector('.phrase').style.color = '#bbb'")
        page.evaluate("document.querySelector('.seal').removeAttribute('alt')")
        return find_violations(page)

    violations = look_at(give(**ANA).link, plant)

    assert {violation.split()[0] for violation in violations} == {"color-contrast", "image-alt"}


def test_wider_spaced_text_is_not_cut_off(look_at):
    def space_out(page: Page) -> list[object]:
        # WCAG's "text spacing".
        add_style(
            page,
            """* { line-height: 1.5 !important; letter-spacing: .12em !important;
                word-spacing: .16em !important } p { margin-block-end: 2em !important }""",
        )
        inner = "document.querySelector('.foot').getBoundingClientRect().bottom"
        outer = "document.querySelector('.frame').getBoundingClientRect().bottom"
        return [overflow_of(page), page.evaluate(f"{inner} < {outer}")]

    assert look_at(give(**ANA).link, space_out, width=NARROWEST) == [0, True]


def test_a_name_written_from_right_to_left_stays_so_and_leaves_the_rest_alone(look_at):
    def directions(page: Page) -> list[str]:
        return [
            page.eval_on_selector(f"{part}", "part => getComputedStyle(part).direction")
            for part in (".name bdi", ".course bdi", ".phrase")
        ]

    link = give(**FROM_RIGHT_TO_LEFT).link

    assert look_at(link, directions) == ["rtl", "rtl", "ltr"]


def test_the_button_prints_and_is_reached_by_the_keyboard(look_at):
    def press(page: Page) -> list[object]:
        page.evaluate("() => { window.printed = 0; window.print = () => window.printed++; }")
        # Past the certificate's address and the credential.
        for _ in range(3):
            page.keyboard.press("Tab")
        focus = page.evaluate(
            "[document.activeElement.innerText, getComputedStyle(document.activeElement).outlineStyle]"
        )
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Print").click()
        return [*focus, page.evaluate("window.printed")]

    assert look_at(give(**ANA).link, press) == ["Print or save as PDF", "solid", 2]


def test_without_scripts_there_is_no_button_that_does_nothing(look_at):
    def see(page: Page) -> list[bool]:
        return [page.locator("button").is_visible(), page.locator("h1").is_visible()]

    assert look_at(give(**ANA).link, see, has_scripts=False) == [False, True]


def test_what_can_be_pressed_is_large_enough_for_a_finger(look_at):
    def measure(page: Page) -> list[float]:
        return [
            min(box["width"], box["height"])
            for part in page.locator("a, button").all()
            if (box := part.bounding_box())
        ]

    sizes = look_at(give(**ANA).link, measure, width=PHONE)

    assert len(sizes) == 3
    # CSS pixels, of WCAG's "target size (minimum)".
    assert min(sizes) >= 24


def test_the_page_is_legible_where_its_style_does_not_come(look_at):
    def strip(page: Page) -> float:
        page.evaluate("document.querySelector('link[rel=stylesheet]').remove()")
        return page.locator(".seal").bounding_box()["width"]

    assert look_at(give(**ANA).link, strip, width=PHONE) == 120


def printed(page: Page, size: tuple[int, int]) -> bytes:
    # As the print dialogue has it by default: without backgrounds.
    width, height = (f"{side}mm" for side in size)
    return page.pdf(width=width, height=height, prefer_css_page_size=True, print_background=False)


def check_one_sheet(pdf: bytes, size: tuple[int, int], address: str, words: Fields) -> None:
    """Check that there is one sheet of this size, with all of the words on it."""
    [sheet] = PdfReader(io.BytesIO(pdf)).pages
    box = sheet.mediabox
    assert (round(box.width / MILLIMETRE), round(box.height / MILLIMETRE)) == size
    text = "".join(sheet.extract_text().split())
    assert "Print" not in text
    for word in [address, *words.values()]:
        assert "".join(word.split()) in text


@OF_LEARNERS
@pytest.mark.parametrize("paper", ["A4", "A5 upright"])
def test_it_is_printed_on_one_sheet_across_whichever_way_the_paper_lies(
    look_at, live_server, fields, paper
):
    link = give(**fields).link
    given = {**ACROSS, **UPRIGHT}[paper]

    pdf = look_at(link, lambda page: printed(page, given))

    # The letters of a name from right to left come out of a PDF in another order.
    words = {} if fields is FROM_RIGHT_TO_LEFT else fields
    across = (max(given), min(given))
    check_one_sheet(pdf, across, f"{live_server.url}{link}", words)


@pytest.mark.parametrize("size", ACROSS.values(), ids=ACROSS)
def test_the_longest_is_printed_on_one_sheet_of_any_paper(look_at, live_server, size):
    link = give(**LONGEST).link

    pdf = look_at(link, lambda page: printed(page, size))

    check_one_sheet(pdf, size, f"{live_server.url}{link}", LONGEST)


@pytest.mark.parametrize("paper", ["A5 upright", "16:9 upright", "A3 upright"])
def test_a_browser_that_leaves_the_paper_upright_needs_one_sheet_too(look_at, live_server, paper):
    link = give(**LONGEST).link
    width, height = UPRIGHT[paper]

    def print_upright(page: Page) -> bytes:
        add_style(page, f"@page {{ size: {width}mm {height}mm }}")
        return printed(page, (width, height))

    pdf = look_at(link, print_upright)

    check_one_sheet(pdf, (width, height), f"{live_server.url}{link}", LONGEST)


def test_nothing_is_cut_off_or_stands_over_something_else_on_any_paper(look_at):
    def find_overlaps(page: Page) -> dict[str, list[str]]:
        page.emulate_media(media="print")
        return {paper: overlaps_on(page, size) for paper, size in {**ACROSS, **UPRIGHT}.items()}

    def overlaps_on(page: Page, size: tuple[int, int]) -> list[str]:
        # The window stands for the sheet without its margins, at 96 pixels to the inch.
        width, height = (round((side - 20) * 96 / 25.4) for side in size)
        page.set_viewport_size({"width": width, "height": height})
        return page.evaluate(
            """() => {
                const boxes = [...document.querySelectorAll('h1, .certified > *, .seal, dt, dd')]
                    .map(part => [part.textContent.slice(0, 20), part.getBoundingClientRect()]);
                const frame = document.querySelector('.frame').getBoundingClientRect();
                const found = boxes.filter(([, box]) => box.bottom > frame.bottom).map(String);
                const certified = document.querySelector('.certified');
                if (certified.scrollHeight > certified.clientHeight) found.push('cut off');
                for (const [i, [one, a]] of boxes.entries())
                    for (const [other, b] of boxes.slice(i + 1))
                        if (a.right > b.left + 1 && b.right > a.left + 1
                                && a.bottom > b.top + 1 && b.bottom > a.top + 1)
                            found.push(`${one} / ${other}`);
                return found;
            }"""
        )

    overlaps = look_at(give(**LONGEST).link, find_overlaps)

    assert {paper: found for paper, found in overlaps.items() if found} == {}


def test_a_name_that_no_sheet_could_hold_leaves_the_rest_on_it(look_at, live_server):
    def print_large(page: Page) -> bytes:
        # Stands for signs that are wider than any letter of the fonts here.
        add_style(page, ".name { font-size: 60pt !important }")
        return printed(page, ACROSS["A4"])

    certificate = give(**{**ANA, "user__name": "W" * 255})

    pdf = look_at(certificate.link, print_large)

    [sheet] = PdfReader(io.BytesIO(pdf)).pages
    assert f"{live_server.url}{certificate.link}" in "".join(sheet.extract_text().split())
