"""A small corpus with everything that breaks text tools, and some ordinary stories."""

from __future__ import annotations

from typing import Any

STORIES = [
    "Once upon a time, there was a little fox named Pip. Pip liked to dig in the soft brown dirt. One day he "
    'found a shiny blue button. "What is this?" he asked his mother. She smiled and said it was a treasure.',
    "Lily had a big red ball. She threw it high in the sky. The ball got stuck in a tree. A kind bird pushed it "
    "down with its beak. Lily said thank you, and the bird sang a happy song.",
    "The old boat was sad because nobody sailed it. Tom and Mia painted it green. They took it to the lake. The "
    "boat was so proud that it rocked from side to side. Everyone laughed and clapped their hands.",
    "小狐狸在森林里找到了一个蓝色的纽扣。它把纽扣带回家,给妈妈看。妈妈笑着说,这是一个小小的宝贝。",
    "كان هناك قط صغير يحب اللعب في الحديقة. في يوم من الأيام وجد كرة حمراء كبيرة. ركض القط خلف الكرة حتى تعب ونام.",
]

HOSTILE = {
    "empty": "",
    "newline": "\n",
    "nul": "a\x00b\x00\x00c",
    "bidi": "left \u202eright\u202c and \u2066isolated\u2069 text",
    "emoji": "👩‍👩‍👧‍👦 🎉🎉🎉 ❤️ flags 🇩🇪🇯🇵",
    "combining": "e\u0301" * 50 + " Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334",
    "spaces": " \t\u00a0\u2003\u200b\ufeff \r\n \x0b\x0c \x85 \u2028 \u2029 ",
    "repeat": "ha " * 3000,
    "long line": "x" * 200_000,
    "private": "\ue000\uf8ff\U000f0000 \ufffe \ufdd0",
    "markup": "<script>alert('x')</script> &lt;b&gt; {{ 7*7 }} {% raw %} ${HOME} `rm -rf` <|endoftext|>",
    "thai": "กาลครั้งหนึ่งนานมาแล้วมีแมวน้อยตัวหนึ่งอาศัยอยู่ในบ้านหลังใหญ่",
    "scripts": "".join(chr(c) for c in range(0x00A1, 0x3400, 37) if chr(c).isalpha()),
    "digits": "0 0 0 0 0 0 0 0 0 0 1 2 3 4 5 6 7 8 9 ١٢٣ 四五六",
}


def rows(copies: int = 3) -> list[dict[str, Any]]:
    """Stories (each repeated, so that there are duplicates) and hostile texts, with ids and origins."""
    texts = [(f"story-{n}-{copy}", text) for copy in range(copies) for n, text in enumerate(STORIES)]
    texts += [(f"hostile-{name}", text) for name, text in HOSTILE.items()]
    return [{"id": key, "text": text, "origin": f"corpus:{at}"} for at, (key, text) in enumerate(texts)]
