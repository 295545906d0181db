"""Languages: named where a text is long enough, and English of every kind is never another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.validation.warnings.language import LANGUAGES, language_of, latin_share

NAMED = [
    ("How does the service know which of the models it is to call?", "English"),
    ("Wie weiß der Dienst, welches der Modelle er aufrufen soll und wird?", "German"),
    ("Comment le service sait-il quel est le modèle qui est à appeler ?", "French"),
    ("¿Cómo sabe el servicio a cuál de los modelos tiene que llamar cada vez?", "Spanish"),
    ("Come fa il servizio a sapere quale dei modelli deve chiamare ogni volta?", "Italian"),
    ("Como o serviço sabe qual dos modelos ele deve chamar? Não sei, você sabe?",
     "Galician or Portuguese"),
    ("Hoe weet de dienst welk van de modellen hij elke keer moet aanroepen?", "Dutch"),
    ("Skąd usługa wie, który z modeli ma za każdym razem wywołać?", "Polish"),
    ("Hizmet, her seferinde hangi modeli çağıracağını nereden biliyor?", "Turkish"),  # noqa: RUF001  # same
    ("Hur vet tjänsten vilken av modellerna den ska anropa varje gång?", "Swedish"),
    ("Làm thế nào dịch vụ biết phải gọi mô hình nào trong số đó?", "Vietnamese"),
    ("これは基盤モデルをAPIで使えるようにするサービスです。", "Japanese"),
    ("Amazon Bedrockのモデルは何がありますか。Claude や Nova です。", "Japanese"),
    ("这是一项让应用程序调用基础模型的托管服务，不需要自己运行模型。", "Chinese"),  # noqa: RUF001  # real text
    ("이 서비스는 기초 모델을 API로 제공하는 관리형 서비스입니다.", "Korean"),
    ("Это сервис, который даёт доступ к базовым моделям.", "Russian"),
    ("Це сервіс, який надає доступ до базових моделей через інтерфейс.", "Ukrainian"),
    ("هذه خدمة تتيح لك الوصول إلى النماذج الأساسية دون تشغيلها بنفسك.", "Arabic"),
    ("यह एक सेवा है जो बुनियादी मॉडल तक पहुँच देती है और उन्हें चलाती है।", "Hindi, Marathi or Nepali"),
    ("บริการนี้ช่วยให้คุณเรียกใช้โมเดลพื้นฐานได้โดยไม่ต้องดูแลเอง", "Thai"),
]  # fmt: skip
ENGLISH = [
    "Maria Rossi, Giovanni Bianchi, Pedro Almeida, Jean-Luc Moreau",
    "The Veloce Primavera 300 comes in Rosso Corsa, Verde Lago and Blu Notte.",
    "Leonardo da Vinci and Napoleon Bonaparte met at the Champs-Élysées",
    "Install la Marzocco Linea Mini, then De'Longhi Dedica",
    "See https://docs.example.com/de/guide/die/das?lang=fr and www.example.fr/le/la/les.html",
    "for (var i = 0; i <= 15; i++) {\n    console.log(i);\n}",
    "def somma(numeri):\n    totale = 0\n    for n in numeri:\n        totale += n",
    "SELECT nome, idade FROM pessoas WHERE idade > 30 ORDER BY nome",
    '{"status": "ok", "data": {"id": 7, "per_page": 20}, "total": 3}',
    "He reads 10/5=2 hours per day\nThat means he reads 2*50=100 pages per day",
    "5 kg per m2 at 20 mm, 12 V DC, 3 A max, 40 dB, 6 bar, 8 Nm",
    "In a van on a map in it is as a cat in a hat",
    "Yes. No. Not on it. In part. An hour or so.",
    "Close the main supply, take the relay out of unit 94, and put it back until it clicks.",
    "def total(items):\n    s = 0\n    for item in items:\n        s += item\n    return s",
    "two police killed in an attack near the border",
    "pip install -U numpy pandas && python -m venv .venv",
    "Order no. 4711: 3 x M8 bolts, 2 x Torx bits, 1 x tube of Loctite 243",
]
JAPANESE_WITHOUT_KANA = [
    "海東郡教育会附属書籍館",
    "第90回全国高等学校選手権大会",
    "世界自然保護基金",
]


@pytest.mark.parametrize(("text", "language"), NAMED)
def test_a_sentence_is_named(text: str, language: str) -> None:
    assert language_of(text) == language
    assert language in LANGUAGES


@pytest.mark.parametrize("text", ENGLISH)
def test_english_of_every_kind_is_no_other_language(text: str) -> None:
    assert language_of(text) in {"English", None}


@pytest.mark.parametrize("text", JAPANESE_WITHOUT_KANA)
def test_a_japanese_name_is_not_chinese(text: str) -> None:
    assert language_of(text) is None


@pytest.mark.parametrize("text", ["", "42", "Paris", "ja\ud800 nein", "\x00" * 50])
def test_too_little_is_no_language(text: str) -> None:
    assert language_of(text) is None


def test_code_beside_a_sentence_does_not_hide_it() -> None:
    code = "```python\nprint('hello')\n```"
    german = "So gibt man einen Text aus, der danach auf dem Bildschirm zu sehen ist:"
    assert language_of(f"{german}\n{code}") == "German"


def test_the_share_of_latin_letters() -> None:
    assert latin_share("Amazon Bedrock") == latin_share("") == latin_share("1984") == 1
    assert latin_share("これは Bedrock です") == pytest.approx(7 / 12)


@given(st.text(max_size=400))
def test_any_text_can_be_looked_at(text: str) -> None:
    language_of(text)


def test_a_long_text_is_looked_at_in_linear_time() -> None:
    for piece in ("a", "あ", "`", "<", "@", "a_", "= ", "f(", "https://"):
        language_of(piece * 100_000)
