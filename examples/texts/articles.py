"""Words of the two-column articles. People and places are invented."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart; a bar has a name and a value."""

    caption: str
    bars: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing of `examples.pictures`, by its name there."""

    caption: str
    name: str


Part = Section | Chart | Drawing


@dataclass(frozen=True, slots=True)
class Article:
    """What stands in the two columns is split by hand: `left` is read before `right`."""

    language: str
    running_head: str
    title: str
    authors: str
    abstract_heading: str
    abstract: str
    left: tuple[Part, ...]
    right: tuple[Part, ...]
    number: str


ENGLISH = Article(
    language="en",
    running_head="Journal of Local Hydrology, Volume 12",
    title="Reading the River: Ten Years of Volunteer Gauges on the Lower Arden",
    authors="Margaret Oakes and Daniel Whitlow, Arden Field Centre",
    abstract_heading="Abstract",
    abstract=(
        "Since 2014 residents of four villages have recorded the level of the river Arden twice a day on painted "
        "boards. We compare their notes with an automatic gauge and find that the boards agree with it to within three "
        "centimetres on nine days out of ten. The volunteers also saw what the instrument could not: where the water "
        "first left its banks."
    ),
    left=(
        Section(
            "1. Introduction",
            (
                "The Arden is a short river. It rises in chalk hills, crosses eighteen kilometres of pasture and meets "
                "the sea at Millbrook. Because it is short, it answers quickly to rain: a storm in the hills reaches "
                "the lowest bridge in less than five hours. For most of the last century nobody measured it, and "
                "people judged a flood by how many steps of the church stair were wet.",
                "In the winter of 2013 the water rose to the ninth step. The following spring the parish council "
                "bought six boards, painted them with a scale, and asked who would be willing to read them. Thirty-one "
                "people put down their names.",
            ),
        ),
        Section(
            "2. Method",
            (
                "Each board stands in still water behind a wooden screen. Readers note the level at seven in the "
                "morning and at seven in the evening, to the nearest centimetre, together with the weather and "
                "anything unusual. The sheets are collected monthly and typed by a second person. When two entries "
                "differ by more than 20 cm from their neighbours, the reader is asked before the value is changed.",
                "Near the railway bridge the county installed a pressure sensor in 2016. It reports every 15 minutes "
                "and serves here as the reference.",
                "Every spring the zero of each board is checked against a brass mark in the bridge wall. Boards that "
                "ice or driftwood has moved are set right again, and the readings since the last check are corrected.",
            ),
        ),
    ),
    right=(
        Chart(
            "Figure 1. Mean river level at Millbrook by month, in centimetres, 2014 to 2023.",
            (("Jan", 128), ("Feb", 141), ("Apr", 117), ("Jun", 84), ("Aug", 62), ("Oct", 93), ("Dec", 122)),
        ),
        Section(
            "3. Results",
            (
                "Of 21,470 readings, 92 percent lie within 3 cm of the sensor. The largest differences come from two "
                "boards that had sunk into soft ground; both were raised in 2019. February is the month of the highest "
                "water and August of the lowest, as the figure shows.",
                "The notes in the margin proved more useful than we expected. They name fields, gates and cellars, and "
                "so allowed us to draw the edge of eleven floods.",
            ),
        ),
        Section(
            "4. Conclusion",
            (
                "A painted board costs less than a dinner for two, and needs no battery. It cannot replace a sensor, "
                "but a village that reads its river every day understands the forecast when it comes. Four "
                "neighbouring valleys have now asked for boards of their own.",
            ),
        ),
    ),
    number="37",
)

CHINESE = Article(
    language="zh",
    running_head="《纸与书》2023年第4期",
    title="一张旧纸的寿命：县级图书馆古籍修复五年记",
    authors="林书远 周若梅（青石县图书馆）",
    abstract_heading="摘要",
    abstract=(
        "本文记录一家县级图书馆从2018年到2022年修复古籍的经过。五年间，三名馆员共修复线装书四百一十二册，补纸一万三千余叶。"
        "文章说明选纸、配浆与压平三个步骤的做法，并比较不同季节的用时。结果表明，湿度比人手更能决定进度。"
    ),
    left=(
        Section(
            "一、缘起",
            (
                "青石县图书馆藏有线装书两千六百册，多为清代至民国的地方志、医书和家谱。库房原在一座旧祠堂里，夏天潮湿，冬天干冷，"
                "虫蛀、霉斑和脆裂随处可见。2017年秋天的一次清点发现，近三成的书已经不能翻阅。",
                "馆里没有专门的修复师。三位馆员先到省城学习四个月，回来后用练手的废纸装订成册，再开始修补真正的藏书。",
            ),
        ),
        Section(
            "二、方法",
            (
                "修复的第一步是选纸。补纸要比原纸略薄，颜色略浅，纤维的方向也要一致。我们把收来的旧纸按厚度分成七类，"
                "每一类都留有样张。",
                "第二步是配浆。浆糊用小麦淀粉加水慢煮，浓了会让书叶发硬，稀了又粘不住。雨天的水量要减少约一成。",
                "第三步是压平。补好的书叶喷上细雾，夹在吸水纸中间，用木板压两天，中间换纸三次。",
            ),
        ),
        Drawing("图1 修复用的工作台：书叶、排笔与压板", "work_bench"),
    ),
    right=(
        Section(
            "三、结果",
            (
                "五年里每月平均修复七册。春秋两季最快，每叶用时十一分钟；梅雨季节最慢，每叶要二十六分钟，因为浆糊干得慢，"
                "压平的时间也要加倍。2020年添置除湿机以后，夏季的用时缩短了三分之一。",
                "读者的变化同样明显。修好的地方志上架以后，查阅家谱的人从每年四十人增加到一百九十人，其中一半来自外地。",
                "也有没能修好的书。九册账簿被水泡成一块，书叶一揭就碎，只好原样封存，等待以后更好的办法。",
            ),
        ),
        Section(
            "四、讨论",
            (
                "小馆修书，难处不在手艺，而在持久。一册书从登记、拆线、补纸到重新装订，要经过四十多天，中间换人就容易出错。"
                "我们的办法是给每册书备一张卡片，写明每一步由谁在哪一天完成，用了哪一类纸。",
            ),
        ),
        Section(
            "五、小结",
            (
                "修书是一件慢事。机器可以控制湿度，却不能代替手指判断纸的软硬。我们希望这些记录能让别的小馆少走弯路，"
                "也让更多旧书等到下一位读者。",
            ),
        ),
    ),
    number="52",
)

RUSSIAN = Article(
    language="ru",
    running_head="Вестник краеведения, № 3, 2022",
    title="Сколько звёзд видно из районного центра",
    authors="А. П. Лебедева, И. Н. Громов, школа № 2, Заречье",
    abstract_heading="Аннотация",
    abstract=(
        "Четыре зимы подряд школьники Заречья считали звёзды в созвездии Ориона с балкона, со школьного двора и с "
        "поля за рекой. Мы сравнили их записи и выяснили, что новые уличные фонари с закрытым верхом вернули городу "
        "заметную часть звёзд, а поле за рекой осталось таким же тёмным, каким было."
    ),
    left=(
        Section(
            "1. Зачем считать звёзды",
            (
                "Яркость ночного неба обычно измеряют прибором. Он точен, но стоит дорого и показывает одну точку. "
                "Человеческий глаз дешевле и привычнее: достаточно выйти на улицу, подождать десять минут и сосчитать "
                "звёзды внутри знакомой фигуры. Орион удобен тем, что его легко найти даже новичку.",
                "Заречье — город на двадцать тысяч жителей. До 2018 года его освещали ртутные лампы, свет которых "
                "уходил вверх и в стороны. За три года их заменили светодиодными с плоским стеклом.",
            ),
        ),
        Section(
            "2. Как проводили наблюдения",
            (
                "В наблюдениях участвовали 64 ученика пятых и восьмых классов. Каждый выбирал три места и в безлунные "
                "вечера с ноября по март записывал число звёзд, час, температуру и облачность. Записи, сделанные при "
                "дымке, мы не учитывали.",
                "Чтобы оценить ошибку, в один вечер 18 человек считали с одного и того же крыльца. Их ответы "
                "разошлись не больше чем на четыре звезды.",
                "Дорогу к полю за рекой каждый раз выбирали одну и ту же, а фонарики закрывали красной плёнкой, чтобы "
                "глаза не отвыкали от темноты. Счёт вели вдвоём: один смотрит, другой пишет.",
            ),
        ),
    ),
    right=(
        Drawing("Рис. 1. Орион над крышами, вид со школьного двора, февраль 2021 года.", "night_sky"),
        Section(
            "3. Что получилось",
            (
                "В первую зиму с балкона было видно в среднем 11 звёзд, в последнюю — 15. На школьном дворе число "
                "выросло с 14 до 19, а в поле почти не изменилось: 41 и 42. Значит, дело не в погоде и не в зрении "
                "детей, а в городском свете.",
                "Сильнее всего небо потемнело в кварталах, где лампы меняли целыми улицами. Там, где остались старые "
                "прожекторы у складов, прибавки нет.",
            ),
        ),
        Section(
            "4. Выводы",
            (
                "Простая таблица с датой и числом звёзд оказалась хорошим доводом: прочитав её, районная дума решила "
                "гасить подсветку рекламы после полуночи. Наблюдения продолжаются, и каждый житель может прислать свой "
                "счёт.",
            ),
        ),
    ),
    number="18",
)
