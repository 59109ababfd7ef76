"""What finds personal data of a pattern: mail addresses, phone, card and bank account numbers, network addresses.

A recogniser takes a text and gives the places of what it finds as (start, end). The patterns of mail and network
addresses and of card numbers are presidio-analyzer's (MIT licence); phone numbers are phonenumbers'. Nothing here asks
the network: the list of top-level domains is the one that comes with tldextract.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import phonenumbers
import regex
from tldextract import TLDExtract

from tasks.core.errors import UserError

Recogniser = Callable[[str], Iterator[tuple[int, int]]]

STRICT_GROUPING = 2  # phonenumbers' leniency: digits grouped as the country does; one less finds many dates and figures
TIMEOUT = 60  # seconds for one pattern on one text; TimeoutError beyond
FLAGS = regex.DOTALL | regex.MULTILINE | regex.IGNORECASE

MAIL = (
    r"\b((([!#$%&'*+\-/=?^_`{|}~\w])|([!#$%&'*+\-/=?^_`{|}~\w][!#$%&'*+\-/=?^_`{|}~\.\w]{0,}[!#$%&'*+\-/=?^_`{|}~\w]))"
    r"[@]\w+(?:-+\w+)*(?:\.\w+(?:-+\w+)*)+)\b"
)
CARD = (
    r"\b(?!1\d{12}(?!\d))((4\d{3})|(5[0-5]\d{2})|(6\d{3})|(1\d{3})|(3\d{3}))"
    r"[- ]?(\d{3,4})[- ]?(\d{3,4})[- ]?(\d{3,5})\b"
)
IBAN = (
    r"(?<![A-Z0-9])([A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,6})"
    r"((?:[ -]?[A-Z0-9]{4})?)((?:[ -]?[A-Z0-9]{1,3})?)(?![A-Z0-9])"
)
OCTET = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
FOUR = rf"(?:{OCTET}\.){{3}}{OCTET}"
GROUP = "[0-9A-Fa-f]{1,4}"
PREFIX = r"(?:/(?:12[0-8]|1[01]\d|[1-9]?\d))?"
NETWORK = (
    rf"(?<![\w:])::(?:ffff(?::0{{1,4}})?:)?{FOUR}{PREFIX}\b",
    rf"(?<![\w:])(?:(?:{GROUP}:){{1,5}}:(?:{GROUP}:){{0,4}}|(?:{GROUP}:){{6}}){FOUR}{PREFIX}\b",
    rf"\b{FOUR}(?:/(?:[0-2]?\d|3[0-2]))?\b",
    rf"(?<![\w:])(?:(?:{GROUP}:){{7}}{GROUP}|(?:{GROUP}:){{1,7}}:|:(?::{GROUP}){{1,7}}|(?:{GROUP}:){{1,6}}:{GROUP}"
    rf"|(?:{GROUP}:){{1,5}}(?::{GROUP}){{1,2}}|(?:{GROUP}:){{1,4}}(?::{GROUP}){{1,3}}"
    rf"|(?:{GROUP}:){{1,3}}(?::{GROUP}){{1,4}}|(?:{GROUP}:){{1,2}}(?::{GROUP}){{1,5}}"
    rf"|{GROUP}:(?::{GROUP}){{1,6}}|:(?::{GROUP}){{1,6}})(?:%[0-9a-zA-Z]+)?{PREFIX}(?![\w:]|\.\d)",
)

# Country, then what follows the check digits: so many digits (n), capitals (a), characters of either (c). ISO 13616.
ACCOUNTS = """
    ADn8c12 AEn19 ALn8c16 ATn16 AZc4n20 BAn16 BEn12 BGa4n6c8 BHa4c14 BRn23a1c1 BYc4n4c16 CHn5c12 CRn18 CYn8c16
    CZn20 DEn18 DKn14 DOa4n20 EEn16 EGn25 ESn20 FIn14 FOn14 FRn10c11n2 GBa4n14 GEc2n16 GIa4c15 GLn14 GRn7c16
    GTc24 HRn17 HUn24 IEc4n14 ILn19 IQa4n15 ISn22 ITa1n10c12 JOa4n22 KWa4c22 KZn3c13 LBn4c20 LCa4c24 LIn5c12
    LTn16 LUn3c13 LVa4c13 LYn21 MCn10c11n2 MDc20 MEn18 MKn3c10n2 MRn23 MTa4n5c18 MUa4n19a3 NLa4n10 NOn11 PKc4n16
    PLn24 PSc4n17 PTn17 QAa4c17 ROa4c16 RSn18 SAn2c18 SCa4n20a3 SEn20 SIn15 SKn20 SMa1n10c12 TLn19 TNn20 TRn5c17
    UAn6c19 VAn18 VGc4n16 XKn16
"""


@cache
def recognisers(regions: tuple[str, ...]) -> dict[str, Recogniser]:
    """The recognisers by the kind they find. UserError: one of the regions of phone numbers is no country."""
    if unknown := sorted(set(regions) - phonenumbers.SUPPORTED_REGIONS):
        raise UserError(f"validate.phone_regions: {unknown[0]!r} is no country's code of two letters, such as GB")
    domains = TLDExtract(suffix_list_urls=(), cache_dir=None)
    return {
        "mail": _pattern([MAIL], lambda text: bool(domains(text).fqdn)),
        "card": _pattern([CARD], _luhn),
        "iban": _ibans,
        "ip": _pattern(NETWORK, _is_address),
        "phone": lambda text: _phones(text, regions),
    }


def _pattern(patterns: Sequence[str], valid: Callable[[str], bool]) -> Recogniser:
    """What matches one of the patterns and is valid."""
    compiled = [regex.compile(pattern, FLAGS) for pattern in patterns]

    def find(text: str) -> Iterator[tuple[int, int]]:
        for pattern in compiled:
            for match in pattern.finditer(text, timeout=TIMEOUT):
                if valid(match[0]):
                    yield match.span()

    return find


def _luhn(text: str) -> bool:
    """Whether the checksum of a card number is right."""
    digits = [int(sign) for sign in reversed(text.replace("-", "").replace(" ", ""))]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    """Account numbers; words that follow one and look like more of it are tried with it, then without."""
    for match in _iban_pattern().finditer(text, timeout=TIMEOUT):
        ends = [match.end(group) for group in (3, 2, 1) if match[group]]
        if end := next((end for end in ends if _is_iban(text[match.start() : end])), None):
            yield match.start(), end


@cache
def _iban_pattern() -> regex.Pattern[str]:
    return regex.compile(IBAN)


def _is_iban(text: str) -> bool:
    """Whether the check digits are right and the rest is as the country has it."""
    account = text.replace("-", "").replace(" ", "")
    if account[:2] not in _accounts():
        return False
    number = int("".join(str(int(sign, 36)) for sign in account[4:] + account[:2] + "00"))
    return account[2:4] == f"{98 - number % 97:02}" and _accounts()[account[:2]].match(account, 4) is not None


@cache
def _accounts() -> dict[str, regex.Pattern[str]]:
    """What follows the check digits, by country."""
    classes = {"n": "[0-9]", "a": "[A-Z]", "c": "[A-Za-z0-9]"}
    patterns = {}
    for account in ACCOUNTS.split():
        parts = regex.findall(r"([nac])(\d+)", account)
        patterns[account[:2]] = regex.compile("".join(f"{classes[kind]}{{{count}}}" for kind, count in parts))
    return patterns


def _phones(text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Phone numbers as the regions write them, or with a country code."""
    for region in regions:
        for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=STRICT_GROUPING):
            yield match.start, match.end
