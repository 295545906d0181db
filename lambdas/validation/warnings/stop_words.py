"""The commonest words of languages in Latin script, which say nothing of a text's topic."""

from __future__ import annotations

_WORDS = """
aan adalah af akan al alla als an and ao apa are as at atau att au auch auf aux av avec bagaimana
be bei bij bir bu by can ce cette che cho co com come comment como con cuál czy các có cómo của
da daha dalam dan dans dari das dat de dei del della dem den dengan der des det deze değil di die
dit dla do does dos du een ei ein eine einer el elle eller em en er es est esta este et ett että
for fra from från för für gibi gli har have het hoe how hur hvad hvordan ikke il ile im in ini
inte is ist it itu için ja jak jako je jego jest joka jsou kan kann không které který kun la las
le les lo los lub là ma mais mas med met mit miten mitä mutta myös más một na naar nach ne nebo
nel není người như những nicht nie niet no non not nous này não när når och od oder of og olan
olarak oleh olla om on ook op or os ou ovat pada par para pas per pero più por pour pro przez på
qual quale que quel questa questo qui qué se seu should si sich sind się som son sono sont su sur
são są tai te that the this tidak til till to trong um uma un una und une untuk vad van var ve
veya você voi von voor votre vous và với was wat werden were what when which who why wie will
wird with worden wordt would yang you your zijn zu är được để że že
"""
STOP_WORDS = frozenset(_WORDS.split())
