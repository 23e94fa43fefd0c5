"""Words of the scanned report, which has a page in each of three languages and a page of accounts."""

from __future__ import annotations

from dataclasses import dataclass

from examples.texts.articles import Section
from examples.texts.tables import Cell, Rows


@dataclass(frozen=True, slots=True)
class ReportPage:
    """A page of sections under each other; a table, if there is one, stands below them with its caption."""

    language: str
    header: str
    title: str
    sections: tuple[Section, ...]
    number: str
    caption: str = ""
    rows: Rows = ()


PAGES = (
    ReportPage(
        language="en",
        header="Seafarers' Reading Room, Port of Skarvik",
        title="Annual Report 2023",
        sections=(
            Section(
                "1. The year in brief",
                (
                    "The reading room was open on 341 days. Crews of 212 ships came up the stairs from the quay, most "
                    "of them for an hour or two while their cargo was unloaded. They speak forty languages; the three "
                    "that we hear most often are English, Chinese and Russian, and this report is written in all "
                    "three.",
                    "In April the roof over the east shelf began to leak. Two volunteers carried nine hundred books to "
                    "the customs house in one night, and not one was lost. The roof was mended in June with money that "
                    "the pilots had collected.",
                ),
            ),
            Section(
                "2. What was read",
                (
                    "Visitors borrowed 3,870 books and left 1,140 of their own behind. Crime novels are still first, "
                    "followed by dictionaries and by cookery books, which ships' cooks copy by hand. For the first "
                    "time more people asked for a quiet desk than for the telephone.",
                    "Books may be returned in any port of the exchange. The farthest of this year's came back from "
                    "Valparaiso, with a pressed flower at page 88 and a note of thanks.",
                ),
            ),
        ),
        number="1",
    ),
    ReportPage(
        language="zh",
        header="斯卡维克港海员阅览室",
        title="二〇二三年度报告",
        sections=(
            Section(
                "三、中文书架",
                (
                    "中文书架设在二楼靠窗的一侧，现有图书六百四十册。去年共有八十七艘船的船员来此借书，借出九百一十五册次，"
                    "比前年增加了两成。最受欢迎的是历史小说和菜谱，其次是学习英语的课本。",
                    "许多船员一走就是八个月，家信要等很久。阅览室备有信纸和邮票，去年代寄家信三百二十封。一位轮机长在留言簿上写道：“海上的"
                    "夜很长，有一盏灯、一本书，就不觉得远了。”",
                ),
            ),
            Section(
                "四、新的一年",
                (
                    "明年我们打算做三件事：把书目抄录到电脑里，方便船员在到港以前预订；每月放映一次电影；"
                    "请会写毛笔字的船员在春节前教大家写春联。",
                    "阅览室没有围墙，也不收费用。只要门上的绿灯亮着，任何人都可以上来坐一坐，喝一杯热茶。",
                ),
            ),
        ),
        number="2",
    ),
    ReportPage(
        language="ru",
        header="Читальный зал для моряков, порт Скарвик",
        title="Годовой отчёт за 2023 год",
        sections=(
            Section(
                "5. Помощники",
                (
                    "Зал держится на помощниках. В прошлом году дежурили 26 человек: учителя, портовые служащие, "
                    "пенсионеры и двое бывших капитанов. Каждый приходит раз в неделю на четыре часа, встречает "
                    "гостей, расставляет книги и следит, чтобы в чайнике была вода.",
                    "Весной помощники сами переплели сто сорок книг, у которых рассыпались корешки. Клей и ткань "
                    "подарила городская типография, а пресс сделали из старого судового домкрата.",
                ),
            ),
            Section(
                "6. Русская полка",
                (
                    "На русской полке 510 томов. Чаще всего берут Чехова, морские рассказы и сборники кроссвордов. "
                    "Осенью экипаж ледокола оставил залу собрание карт северных морей; теперь они висят вдоль "
                    "лестницы, и гости показывают на них, откуда пришли.",
                    "Мы благодарим всех, кто поднялся к нам с причала, и просим об одном: дочитав книгу, передайте её "
                    "дальше.",
                ),
            ),
        ),
        number="3",
    ),
    ReportPage(
        language="en",
        header="Seafarers' Reading Room, Port of Skarvik",
        title="Accounts",
        sections=(
            Section(
                "7. Income and expenses",
                (
                    "The room ended the year with a small surplus, although the roof cost more than planned. Heating "
                    "remains the largest expense. Gifts in kind, such as books, tea and the repaired projector, are "
                    "not counted. All sums are in euros.",
                ),
            ),
        ),
        number="4",
        caption="Table 1. Income and expenses of the reading room",
        rows=(
            (Cell("Item", rowspan=2), Cell("2022", colspan=2), Cell("2023", colspan=2)),
            ("Planned", "Actual", "Planned", "Actual"),
            ("Port authority grant", "9,000", "9,000", "9,500", "9,500"),
            ("Gifts from crews", "2,000", "2,460", "2,500", "3,115"),
            ("Heating and light", "4,800", "5,730", "5,600", "5,240"),
            ("Books and bindings", "2,700", "2,315", "2,900", "2,870"),
            ("Roof", Cell("none", colspan=2), "3,500", "3,980"),
            ("Surplus", "3,500", "3,415", "0", "525"),
        ),
    ),
)
