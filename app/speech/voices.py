"""
The voices of every engine. A name is checked against them before it reaches a path or native code.

Imports nothing heavy: the worker's parent process and the command line use it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that a job may ask for."""

    name: str
    language: str
    """Its display name, such as "English (American)"."""
    sex: str
    """"female", "male", or empty if unknown."""
    native: str
    """The name in the engine's own interface."""


def language_tag(voice: Voice) -> str:
    """Return the language of a voice as a tag: "en-us", "en-gb", "fr-fr", "pt-br"."""
    name = voice.native.partition("+")[0]
    if "_" in name:  # Kokoro's own name begins with the letter of its language
        name = _ESPEAK_LANGUAGES[name[0]]
    return "en-gb" if name == "en" else name


# Kokoro's published set, version 1.0: https://huggingface.co/hexgrad/Kokoro-82M/blob/main/VOICES.md
# The first letter of a name is the pipeline's language code, the second the sex.
KOKORO_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "a": "English (American)",
        "b": "English (British)",
        "e": "Spanish",
        "f": "French",
        "h": "Hindi",
        "i": "Italian",
        "j": "Japanese",
        "p": "Portuguese (Brazilian)",
        "z": "Chinese (Mandarin)",
    }
)
_KOKORO = """
af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky
am_adam am_echo am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa
bf_alice bf_emma bf_isabella bf_lily
bm_daniel bm_fable bm_george bm_lewis
ef_dora em_alex em_santa
ff_siwis
hf_alpha hf_beta hm_omega hm_psi
if_sara im_nicola
jf_alpha jf_gongitsune jf_nezumi jf_tebukuro jm_kumo
pf_dora pm_alex pm_santa
zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang
"""

# espeak-ng has no such voices. Each name stands for a variant of the same language and sex, so that a job
# that names it runs on the built-in engine too. The variants were chosen to sound human and distinct.
_ESPEAK_LANGUAGES = {
    "a": "en-us",
    "b": "en",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "cmn",
}
_ESPEAK_VARIANTS = {
    "f": ("f3", "f2", "f4", "f1", "f5", "Annie", "Alicia", "linda", "belinda", "steph", "aunty"),
    "m": ("m3", "m2", "m4", "m5", "m6", "m7", "m1", "Alex", "adam"),
}
# espeak-ng 1.52's own voices, one per language, without those that have no dictionary or speak no digits.
_ESPEAK_OWN = """
af                Afrikaans
am                Amharic
an                Aragonese
ar                Arabic
as                Assamese
az                Azerbaijani
ba                Bashkir
be                Belarusian
bg                Bulgarian
bn                Bengali
bpy               Bishnupriya Manipuri
bs                Bosnian
ca                Catalan
ca-ba             Catalan (Balearic)
ca-nw             Catalan (North-western)
ca-va             Catalan (Valencian)
cmn               Chinese (Mandarin, latin as English)
cmn-latn-pinyin   Chinese (Mandarin, latin as Pinyin)
cs                Czech
cy                Welsh
da                Danish
de                German
el                Greek
en-029            English (Caribbean)
en-gb             English (Great Britain)
en-gb-scotland    English (Scotland)
en-gb-x-gbclan    English (Lancaster)
en-gb-x-gbcwmd    English (West Midlands)
en-gb-x-rp        English (Received Pronunciation)
en-shaw           English (Shavian alphabet)
en-us             English (America)
en-us-nyc         English (America, New York City)
eo                Esperanto
es                Spanish (Spain)
es-419            Spanish (Latin America)
et                Estonian
eu                Basque
fa                Persian
fa-latn           Persian (Pinglish)
fi                Finnish
fr                French (France)
fr-be             French (Belgium)
fr-ch             French (Switzerland)
ga                Gaelic (Irish)
gd                Gaelic (Scottish)
gn                Guarani
grc               Greek (Ancient)
gu                Gujarati
hak               Hakka Chinese
haw               Hawaiian
he                Hebrew
hi                Hindi
hr                Croatian
ht                Haitian Creole
hu                Hungarian
hy                Armenian (East Armenia)
hyw               Armenian (West Armenia)
ia                Interlingua
id                Indonesian
io                Ido
is                Icelandic
it                Italian
ja                Japanese
jbo               Lojban
ka                Georgian
kk                Kazakh
kl                Greenlandic
kn                Kannada
ko                Korean
kok               Konkani
ku                Kurdish
ky                Kyrgyz
la                Latin
lb                Luxembourgish
lfn               Lingua Franca Nova
lt                Lithuanian
ltg               Latgalian
lv                Latvian
mi                Māori
mk                Macedonian
ml                Malayalam
mr                Marathi
ms                Malay
mt                Maltese
mto               Totontepec Mixe
my                Myanmar (Burmese)
nb                Norwegian Bokmål
nci               Nahuatl (Classical)
ne                Nepali
nl                Dutch
nog               Nogai
om                Oromo
or                Oriya
pa                Punjabi
pap               Papiamento
piqd              Klingon
pl                Polish
pt                Portuguese (Portugal)
pt-br             Portuguese (Brazil)
py                Pyash
qdb               Lang Belta
qu                Quechua
quc               K'iche'
qya               Quenya
ro                Romanian
ru                Russian
ru-cl             Russian (Classic)
ru-lv             Russian (Latvia)
sd                Sindhi
shn               Shan (Tai Yai)
si                Sinhala
sk                Slovak
sl                Slovenian
smj               Lule Saami
sq                Albanian
sr                Serbian
sv                Swedish
sw                Swahili
ta                Tamil
te                Telugu
th                Thai
ti                Tigrinya
tk                Turkmen
tn                Setswana
tr                Turkish
tt                Tatar
ug                Uyghur
uk                Ukrainian
ur                Urdu
uz                Uzbek
vi                Vietnamese (Northern)
vi-vn-x-central   Vietnamese (Central)
vi-vn-x-south     Vietnamese (Southern)
yue               Chinese (Cantonese)
"""
_ESPEAK_NATIVE = {"en-gb": "en"}
_SEXES = {"f": "female", "m": "male"}


def _kokoro_voices() -> Mapping[str, Voice]:
    return MappingProxyType(
        {
            name: Voice(name=name, language=KOKORO_LANGUAGES[name[0]], sex=_SEXES[name[1]], native=name)
            for name in _KOKORO.split()
        }
    )


def _espeak_voices() -> Mapping[str, Voice]:
    voices: dict[str, Voice] = {}
    taken: dict[str, int] = {}
    for voice in KOKORO_VOICES.values():
        kind = voice.name[:2]
        variants = _ESPEAK_VARIANTS[kind[1]]
        native = f"{_ESPEAK_LANGUAGES[kind[0]]}+{variants[taken.get(kind, 0) % len(variants)]}"
        taken[kind] = taken.get(kind, 0) + 1
        voices[voice.name] = Voice(name=voice.name, language=voice.language, sex=voice.sex, native=native)
    for line in _ESPEAK_OWN.strip().splitlines():
        name, language = line.split(maxsplit=1)
        voices[name] = Voice(name=name, language=language, sex="", native=_ESPEAK_NATIVE.get(name, name))
    return MappingProxyType(voices)


KOKORO_VOICES: Mapping[str, Voice] = _kokoro_voices()
ESPEAK_VOICES: Mapping[str, Voice] = _espeak_voices()
