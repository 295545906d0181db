"""The commonest words of languages in Latin script, which say nothing of a text's topic."""

from __future__ import annotations

_WORDS = """
aan adalah akan alla als and apa are atau att auch auf aux avec bagaimana bei bij bir can cette che
cho com come comment como con cuál czy các cómo của daha dalam dan dans dari das dat dei del della
dem den dengan der des det deze değil die dit dla does dos een ein eine einer elle eller est esta
este ett että for fra from från för für gibi gli har have het hoe how hur hvad hvordan ikke ile ini
inte ist itu için jak jako jego jest joka jsou kan kann không které který kun las les los lub mais
mas med met mit miten mitä mutta myös más một naar nach nebo nel není người như những nicht nie
niet non not nous này não när når och oder olan olarak oleh olla ook ovat pada par para pas per
pero più por pour pro przez qual quale que quel questa questo qui qué seu should sich sind się som
son sono sont sur são tai that the this tidak til till trong uma una und une untuk vad van var veya
você voi von voor votre vous với was wat werden were what when which who why wie will wird with
worden wordt would yang you your zijn được
"""
STOP_WORDS = frozenset(_WORDS.split())
