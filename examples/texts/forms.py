"""Words of the forms, as printed and as filled in. People and addresses are invented."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A printed label and the value that somebody filled in."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A question with check boxes; an option has its text and whether it is ticked."""

    label: str
    options: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Form:
    """A row of `personal` or `office` holds one field, or two beside each other."""

    language: str
    issuer: str
    title: str
    hint: str
    personal_heading: str
    personal: tuple[tuple[Field, ...], ...]
    choices_heading: str
    choices: tuple[Choice, ...]
    consent: str
    signature: str
    date: Field
    office_heading: str
    office: tuple[tuple[Field, ...], ...]
    footer: str


ENGLISH = Form(
    language="en",
    issuer="Millbrook Public Library",
    title="Application for a Reader's Card",
    hint="Please write in capital or clear letters and tick one box in each row.",
    personal_heading="1. Personal details",
    personal=(
        (Field("Surname:", "Hartley"), Field("First name:", "Eleanor Rose")),
        (Field("Date of birth:", "14 March 1987"), Field("Telephone:", "01632 960 417")),
        (Field("Address:", "27 Quay Street, Millbrook, MB4 2TD"),),
        (Field("E-mail:", "e.hartley@example.org"),),
    ),
    choices_heading="2. Type of card and notices",
    choices=(
        Choice("Card:", (("Adult", True), ("Student", False), ("Child", False), ("Group", False))),
        Choice("Notices by:", (("Post", False), ("E-mail", True), ("Text message", False))),
    ),
    consent="I agree to return borrowed books on time and to pay for those that are lost or damaged.",
    signature="Signature:",
    date=Field("Date:", "6 May 2024"),
    office_heading="For office use only",
    office=((Field("Card number:", "0048 2713"), Field("Issued by:", "P. Lunn")),),
    footer="Form L-12, revised 2023",
)

RUSSIAN = Form(
    language="ru",
    issuer="Дом культуры «Заря», г. Заречье",
    title="Анкета участника ярмарки ремёсел",
    hint="Заполните анкету разборчиво и отметьте нужное.",
    personal_heading="1. Сведения об участнике",
    personal=(
        (Field("Фамилия:", "Соколова"), Field("Имя:", "Вера Андреевна")),
        (Field("Дата рождения:", "12.09.1979"), Field("Телефон:", "8 900 000-14-52")),
        (Field("Адрес:", "г. Заречье, ул. Садовая, д. 8, кв. 15"),),
        (Field("Эл. почта:", "v.sokolova@example.org"),),
    ),
    choices_heading="2. Ремесло и место",
    choices=(
        Choice("Ремесло:", (("Керамика", True), ("Ткачество", False), ("Кружево", False), ("Резьба", False))),
        Choice("Нужны:", (("Стол", True), ("Навес", False), ("Электричество", True))),
    ),
    consent="С правилами ярмарки я ознакомлена и согласна убрать своё место до 20 часов.",
    signature="Подпись:",
    date=Field("Дата:", "3 июня 2024 г."),
    office_heading="Заполняет организатор",
    office=((Field("Номер места:", "27"), Field("Принял:", "Орлов К. М.")),),
    footer="Форма № 5, утверждена в 2023 году",
)
