"""Documents in two languages say the same: what one has and the other lacks is named, with the file that lacks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guards.markdown import TRANSLATED
from tests.guards.translations import differences

ROOT = Path(__file__).parents[2]
TRANSLATIONS = sorted([*ROOT.glob(f"*{TRANSLATED}"), *(ROOT / "docs").rglob(f"*{TRANSLATED}")])

ENGLISH = """# The desk

[中文](desk.zh-CN.md)

See [money](money.md#where) and [how it ends](#how-it-ends). Wait 300 s, then ask `GET /v1/orders`.

- `state` is `done`;
- or it is `failed`.

```
ota serve --port 8080      # an address
{i} {SW} one line per result of seq_no
```

| code | status | |
|---|---|---|
| `busy` | 409 | still running, order:read |
| `not_found` | 404 | not there |

## How it ends

With a receipt.
"""

CHINESE = """# 服务台

[English](desk.md)

见 [money](money.md#where) 和[结局](#结局)。等待 300 s，再请求 `GET /v1/orders`。

- `state` 为 `done`；
- 或为 `failed`。

```
ota serve --port 8080      # 一个地址
{i} {SW} 每条结果一行，带 seq_no
```

| 错误码 | 状态码 | |
|---|---|---|
| `busy` | 409 | 仍在处理，order:read |
| `not_found` | 404 | 不存在 |

## 结局

附有回执。
"""

FAULTS = {
    "heading left out": ("## 结局\n", "", "'## How it ends'] in desk.md, ['# 服务台'] in desk.zh-CN.md"),
    "heading added": ("附有回执。\n", "附有回执。\n\n## 其他\n", "[] in desk.md, ['## 其他'] in desk.zh-CN.md"),
    "heading of another level": ("## 结局", "### 结局", "['### 结局'] in desk.zh-CN.md"),
    "no way to the original": ("[English](desk.md)", "", "desk.zh-CN.md: link to desk.md below the title is missing"),
    "list item left out": ("- 或为 `failed`。\n", "", "desk.zh-CN.md «服务台»: a list item is missing (2 and 1)"),
    "name left out": ("`done`", "完成", "desk.zh-CN.md «服务台»: `done` is missing"),
    "name added": ("附有回执", "附有 `receipt`", "desk.md «How it ends»: `receipt` is missing"),
    "route changed": ("`GET /v1/orders`", "`GET /v1/order`", "desk.zh-CN.md «服务台»: `GET /v1/orders` is missing"),
    "figure changed": ("300 s", "30 s", "desk.zh-CN.md «服务台»: 300 is missing"),
    "link left out": ("[money](money.md#where)", "money", "desk.zh-CN.md «服务台»: link to money.md#where is missing"),
    "link to another heading": ("(#结局)", "(#服务台)", "desk.zh-CN.md «服务台»: link to desk.md, heading 2 is missing"),
    "link to the other language": (
        "(#结局)",
        "(desk.md#how-it-ends)",
        "desk.md «The desk»: link to desk.md, heading 2 in the other language is missing",
    ),
    "row left out": ("| `not_found` | 404 | 不存在 |\n", "", "desk.zh-CN.md «服务台»: `not_found` is missing"),
    "error code changed": ("`busy` | 409", "`bussy` | 409", "desk.zh-CN.md «服务台» row 2: `busy` is missing"),
    "status changed": ("`busy` | 409", "`busy` | 404", "desk.zh-CN.md «服务台» row 2: 409 is missing"),
    "scope changed": ("order:read", "order:write", "desk.zh-CN.md «服务台» row 2: order:read is missing"),
    "cell left out": ("| 404 | 不存在 |", "| 404 |", "desk.zh-CN.md «服务台» row 3: a cell is missing or too many"),
    "code changed": ("--port 8080", "--port 8081", "code block 1: 'ota serve --port 8080' reads"),
    "name in translated code changed": ("带 seq_no", "带 seq", "code block 1: '{i} {SW} one line per result of seq_no'"),
    "line of code left out": ("ota serve --port 8080      # 一个地址\n", "", "a line is missing or too many"),
    "language of code changed": ("```\nota serve", "```json\nota serve", "code block 1: '```' reads '```json'"),
}  # fmt: skip


def two_documents(folder: Path, chinese: str) -> list[str]:
    """Differences of the English document above and a Chinese one."""
    (folder / "money.md").touch()
    original, translation = folder / "desk.md", folder / f"desk{TRANSLATED}"
    original.write_text(ENGLISH, encoding="utf-8")
    translation.write_text(chinese, encoding="utf-8")
    return differences(original, translation)


@pytest.mark.parametrize("translation", TRANSLATIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_translation_says_what_its_original_says(translation: Path) -> None:
    original = translation.with_name(translation.name.replace(TRANSLATED, ".md"))

    found = differences(original, translation)

    assert found == []


def test_what_newcomers_and_callers_read_first_is_there_in_both_languages() -> None:
    names = {str(path.relative_to(ROOT)).removesuffix(TRANSLATED) for path in TRANSLATIONS}

    assert names >= {"README", "CONTRIBUTING", "docs/architecture", "docs/protocol"}


def test_a_good_translation_has_no_differences(tmp_path: Path) -> None:
    assert two_documents(tmp_path, CHINESE) == []


@pytest.mark.parametrize(("right", "wrong", "said"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_named_with_its_file(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    assert CHINESE.count(right) == 1

    found = two_documents(tmp_path, CHINESE.replace(right, wrong))

    assert any(said in finding for finding in found), found


def test_an_error_code_that_the_chinese_protocol_lost_is_named(tmp_path: Path) -> None:
    names = ("protocol.md", f"protocol{TRANSLATED}")
    for name in names:
        (tmp_path / name).write_bytes((ROOT / "docs" / name).read_bytes())
    lost = (tmp_path / names[1]).read_text(encoding="utf-8").replace("`session_over` ", "")
    (tmp_path / names[1]).write_text(lost, encoding="utf-8")

    found = differences(*(tmp_path / name for name in names))

    [finding] = [each for each in found if "session_over" in each]
    assert finding.startswith("protocol.zh-CN.md «错误码» row ")
