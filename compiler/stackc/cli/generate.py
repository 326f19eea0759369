"""stackc generate ARTIFACT."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from stackc.cli.options import FilePath, json_option, provider_option, threads_option
from stackc.cli.screen import echo, echo_json, echo_text


def _ids(ctx: click.Context, option: click.Parameter, text: str | None) -> list[int] | None:
    """Parse `5,17,3`."""
    try:
        return None if text is None else [int(each) for each in text.replace(",", " ").split()]
    except ValueError:
        raise click.BadParameter(f"'{text}' is not a list of whole numbers, as `5,17,3`", ctx, option) from None


@click.command("generate")
@click.argument("artifact", type=FilePath())
@click.argument("text", required=False)
@click.option("--ids", callback=_ids, help="The ids of the prompt, in the place of a text: 5,17,3.")
@click.option("--batch", type=FilePath(), help="A file of prompts, one on each line.")
@click.option("-n", "--tokens", type=click.IntRange(min=1), help="How many tokens follow, by default up to 64.")
@click.option("--temperature", type=float, default=0.0, show_default=True, help="0 takes the likeliest token.")
@click.option("--top-k", type=int, default=0, help="Draw from the k likeliest tokens only.")
@click.option("--top-p", type=float, default=1.0, help="Draw from the likeliest tokens of this probability together.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the draws.")
@click.option("--eos", callback=_ids, help="The tokens that end a text; by default those of generation_config.json.")
@provider_option
@threads_option
@json_option
def command(
    artifact: Path,
    text: str | None,
    ids: list[int] | None,
    batch: Path | None,
    tokens: int | None,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int,
    eos: list[int] | None,
    provider: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Generate what follows TEXT, by the decoding step of ARTIFACT (exported/NAME). Does not import PyTorch.

    The text is printed as it comes, then the tokens per second. Texts need the tokenizer.json that lies beside the spec
    when it is built.
    """
    if sum(given is not None for given in (text, ids, batch)) != 1:
        raise click.UsageError("give one of a text, --ids and --batch")

    from stackc.generation.generating import Generator
    from stackc.generation.sampling import Sampling

    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    generator = Generator(artifact, sampling=sampling, tokens=tokens, eos=eos, provider=provider, threads=threads)
    prompts: list[str | list[int]] = [ids] if ids is not None else [text] if text is not None else _lines(batch)
    results = []
    for prompt in prompts:
        entering = prompt if isinstance(prompt, list) else generator.tokenizer.ids(prompt)
        following = generator.of_ids(entering)
        if as_json:
            found = [*following]
            shown = None if isinstance(prompt, list) else "".join(generator.texts(found))
            results.append({"prompt": entering, "tokens": found, "text": shown})
        else:
            _stream(following, None if isinstance(prompt, list) else generator.texts)
    if as_json:
        echo_json({"generated": results})


def _lines(path: Path | None) -> list[str | list[int]]:
    """Return the prompts of a file, without empty lines."""
    assert path is not None, "one of the three is given"
    try:
        lines: list[str | list[int]] = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} cannot be read: {error}", param_hint="--batch") from None
    return lines


def _stream(following: Iterator[int], texts: Callable[[Iterator[int]], Iterator[str]] | None) -> None:
    """Print tokens as they come, or their texts, then how many there were in a second."""
    count, start = 0, time.perf_counter()

    def counted() -> Iterator[int]:
        nonlocal count
        for token in following:
            count += 1
            yield token

    shown = (f"{token} " for token in counted()) if texts is None else texts(counted())
    for piece in shown:
        echo_text(piece, nl=False)
    echo()
    rate = count / (time.perf_counter() - start)
    echo(f"{count} tokens, {rate:,.0f} per second", err=True)
