"""What stands in a record where a caller's number is withheld or unknown.

Systems write words of their language there, and numbers that spell these words on a telephone's
keys. Nobody's number must be found in them, so whatever is left out of these lists is merely told
apart by another name: it is unreadable, and has no breaker either.
"""

import re
import unicodedata

_WORDS = """
anonymous anon unavailable restricted private privacy withheld unknown blocked block hidden secret
blank undisclosed unlisted suppressed unidentified undefined null nil none nan nat na empty missing
invalid payphone coin unknownani ka sn coinline noncallerid noclid nocli nocallerid nonumber noname
notavailable nocaller
notprovided notset interaction outofarea unspecified false unkn priv p o u n
inconnu inconnue anonyme privé privée masqué caché secrète indisponible nondisponible
noncommuniqué sansnuméro
desconocido desconocida disponible anónimo privado privada oculto restringido nodisponible sinnúmero
noidentificado ninguno nulo
desconhecido desconhecida anônimo anónima nãoidentificado indisponível confidencial
sconosciuto anonimo privato nascosto nondisponibile riservato
unbekannt unbekannter unbekannte anonym anonymer anonyme privat unterdrückt keinenummer keine
nichtverfügbar verborgen geheim
onbekend anoniem privénummer afgeschermd geen verborgennummer
nieznany anonimowy prywatny zastrzeżony ukryty brak neznámé neznámý skryté anonymní
ismeretlen rejtett necunoscut ascuns anonim
sinidentificar soukromé ascuns okänd okänt dolt hemligt skyddat ukendt hemmeligt skjult ukjent
tuntematon salainen salattu yksityinen
gizli bilinmeyen bilinmiyor özel pribadi persendirian tidakdikenal lạ ẩndanh khôngxácđịnh riêngtư
ẩn riêng
скрыт скрытый скрыто неизвестно неизвестный неизвестен аноним анонимный анонимно засекречен
приватный определен неопределен безномера нет невідомий прихований анонім
άγνωστος άγνωστο απόκρυψηαριθμού ανώνυμος απόκρυψη απόρρητο
مجهول خاص محجوب غيرمعروف مخفي מוסתר חסוי חסויה לאידוע אנונימי ناشناس
अज्ञात निजी अनजान ไม่ทราบ ไม่ทราบหมายเลข ไม่แสดง ไม่แสดงหมายเลข ส่วนตัว หมายเลขส่วนตัว
空号 隐私号 没有来电显示 沒有來電顯示 无来电号码 匿名 未知 无 無 无主叫 隐藏 隱藏 私人 私密 保密
隐私 屏蔽 受限 空 不详 未显示 无法显示 不显示
无显示 无来电显示 拒绝显示 未提供 不可用 未识别 不明 匿名者 非公开 無顯示 未顯示 不明来电
非通知 非通知着信 番号通知なし 番号なし 通知なし ユーザ非通知 通知不可能 通知不可 表示圏外 公衆電話
不在 非表示 番号非通知 非通知設定
발신번호표시제한 발신자표시제한 발신번호없음 알수없음 익명 비공개 번호없음 발신제한
"""

_FILLERS = """
line ani caller callers number numbers call calls id cid callerid clid cli user no not the
subscriber is
name given address from party phone num party's available
numéro appelant appel número llamada chamada numero chiamante nummer rufnummer anrufer anrufers
anruf
номер абонент абонента вызов numer nomor số numara număr nombor αριθμός αριθμού مشترك شماره رقم
שיחה מספר नंबर 主叫 号码 號碼 来电 來電 用户 用戶 电话
電話 呼叫 番号 発信者 発信 番号が 번호 발신자 číslo số máy gọi หมายเลข не de del do da der des
"""

_KEYPAD_WORDS = "anonymous unavailable restricted private withheld unknown blocked nocallerid"
_KEYS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_COUNTED = (("1234567890", 6), ("0123456789", 10), ("0987654321", 10), ("9876543210", 9))
"""The digits in their order, over and over, and how many of them nobody has by chance."""
_SAME_DIGIT = 5
"""A text of one digit, repeated so often, stands for no number. A text of zeros always does."""
_DIGIT_AND_ZEROS = re.compile(r"0?(?:10{6,}|[235679]0{9,})")
"""4000000000 and 8000000000 may be somebody's: they are numbers of shared cost and toll-free."""
_LONG = 9
"""Digits of a stand-in behind a country's code. China's mobile numbers are never of one digit."""
_SPREADSHEET_ERRORS = frozenset({"ref", "name", "value", "num", "div0", "nv"})


def _folded(text: str) -> str:
    """Return a text in lower case and without accents and points, letters and digits alone."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = (char for char in decomposed if char.isalnum())
    return "".join(kept).replace("\u0131", "i")


_NONE = frozenset(map(_folded, _WORDS.split()))
_FILLING = frozenset(map(_folded, _FILLERS.split()))
_FILLING_INSIDE = re.compile(
    "|".join(
        sorted(
            (word for word in _FILLING if not word.isascii() and len(word) > 1),
            key=len,
            reverse=True,
        )
    )
)
STAND_INS = frozenset(word.translate(_KEYS) for word in _KEYPAD_WORDS.split())
STAND_INS |= {"7378742883"}  # RESTRICTED with its last keys exchanged, as platforms send it.
STAND_INS |= {  # -1 and -2, or the most, of a field; 53 bits are those of a data frame's.
    str((1 << bits) - n) for bits in (16, 31, 32, 53, 63, 64) for n in (1, 2)
}
"""Words on a telephone's keys, as carriers and platforms send them (266696687 is ANONYMOUS)."""


def says_none(text: str) -> bool:
    """Return whether a text without a number says that there is none to show."""
    if text.strip().startswith("+"):
        return False
    whole = _folded(text)
    if not whole or whole in _NONE:
        return True
    if text.strip().startswith("#") and whole in _SPREADSHEET_ERRORS:
        return True
    words = [_folded(word) for word in re.split(r"[\W_]+", text)]
    telling = [word for word in words if word and word not in _FILLING]
    if not telling:
        # "No number", "no caller id": fillers alone, and one of them denies it.
        return words[0] in ("no", "not") and len(words) > 1
    joined = "".join(telling)
    return (
        joined in _NONE
        or all(word in _NONE for word in telling)
        or _FILLING_INSIDE.sub("", joined) in _NONE
    )


def is_stand_in(digits: str) -> bool:
    """Return whether digits, with or without a country's code, are a known stand-in for none."""
    bare = digits.removeprefix("+")
    if _stands_in(bare):
        return True
    national = bare.removeprefix("86")
    if national == bare and bare != digits:
        national = bare.removeprefix("1")
    return national != bare and len(national) >= _LONG and _stands_in(national)


def _stands_in(digits: str) -> bool:
    if not digits.strip("0") or digits in STAND_INS or _DIGIT_AND_ZEROS.fullmatch(digits):
        return True
    if any(len(digits) >= least and (row * 2).startswith(digits) for row, least in _COUNTED):
        return True
    return len(digits) >= _SAME_DIGIT and len(set(digits)) == 1
