"""The page of every figure in ``metrics/``: what each key means.

Stages write plain mappings, so there is no class to read the words from. ``tests/docsite`` holds this table to what the
shipped run wrote, key by key, and to the code: a key that no line of tasks/ writes is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

INTRODUCTION = """# Every figure in metrics/

Each stage writes one file, which git tracks: the same inputs give the same bytes, so no figure is a time or a host.
`<…>` stands for names of your data, `[]` for each entry of a list. A key that is left out, or `null`, could not be
worked out or does not apply. Pairs are 95 % intervals; what each means: [concepts](../concepts.md).
"""

FIGURES: dict[str, tuple[str, dict[str, str]]] = {
    "summary.json": (
        "Of `evaluate`: the few that `dvc metrics` and `dvc exp show` compare.",
        {
            "test_rows": "test rows",
            "accuracy": "share of the test rows whose prediction is right",
            "macro_f1": "mean over the labels of F1",
            "macro_f1_low": "lower end of its interval",
            "macro_f1_high": "upper end",
            "baseline_macro_f1": "the baseline's, on the same rows",
            "calibration_error": "mean distance between confidence and accuracy, by bins of equally many rows",
            "log_loss": "mean negative logarithm of the probability of the true label, in nats",
            "mean_absolute_error": "with `task: ordinal`: mean distance of prediction and label, in steps",
            "quadratic_kappa": "likewise: Cohen's kappa, a distance counted by its square",
        },
    ),
    "evaluate.json": (
        "The model on the test rows, beside the baseline ([evaluation](../evaluation.md)).",
        {
            "rows": "test rows",
            "accuracy": "share whose prediction is right",
            "macro_f1": "mean over the labels of F1",
            "log_loss": "mean negative logarithm of the probability of the true label, in nats",
            "roc_auc": "area under the ROC curve, each label against the rest, averaged",
            "pr_auc": "area under the precision-recall curve, each label against the rest, averaged",
            "calibration_error": "mean distance between confidence and accuracy, by bins of equally many rows",
            "task": "`ordinal`, with the next three; `multi_label`",
            "mean_absolute_error": "mean distance of prediction and label, in steps from label to label",
            "quadratic_kappa": "Cohen's kappa, a distance counted by its square",
            "within_one_step": "share of rows whose prediction is at most one step off",
            "<your measure>": "each function of `measures.py` that `evaluate.measures` names",
            "classes.<label>.precision": "share right of the rows with this prediction",
            "classes.<label>.recall": "share found of the rows with this label",
            "classes.<label>.f1": "harmonic mean of the two",
            "classes.<label>.support": "test rows with this label",
            "classes.<label>.train_rows": "rows with this label that the model learnt from",
            "labels_not_in_train.<label>": "test rows of a label that train has no row of; they count as wrong",
            "confusion.labels": "the order of rows and columns",
            "confusion.counts": "rows: true labels; columns: predictions",
            "baseline.**": "the same measures of the baseline",
            "difference": "macro-F1: the model's minus the baseline's",
            "differences.**": "the same of each measure",
            "intervals.**": "the interval of each of these, under the same key: percentiles of the bootstrap",
            "resampled.by": "what the bootstrap draws: row, or the column `evaluate.group`",
            "resampled.units": "how many there are",
            "resampled.times": "resamples",
            "reliability.bins.[].rows": "rows of a bin; bins go by confidence",
            "reliability.bins.[].confidence": "its mean confidence",
            "reliability.bins.[].accuracy": "its accuracy",
            "reliability.bins.[].expected": "where the accuracy of a perfectly calibrated model would lie",
            "reliability.calibration_error_expected": "where its calibration error would lie",
            "slices.level": "family-wise level, `evaluate.slices.level`",
            "slices.min_rows": "smaller slices are left out",
            "slices.too_few_rows": "how many were left out",
            "slices.missing_columns": "columns of `evaluate.slices.columns` that the rows do not have",
            "slices.declared.[].where": "which rows: a column's value, a range, a time, a script",
            "slices.declared.[].rows": "how many",
            "slices.declared.[].errors": "wrong predictions among them",
            "slices.declared.[].accuracy": "accuracy",
            "slices.declared.[].interval": "its interval, by Wilson",
            "slices.declared.[].baseline_accuracy": "the baseline's",
            "slices.declared.[].p": "p-value of the hypergeometric test that errors are no more frequent here",
            "slices.declared.[].p_adjusted": "after Holm's correction for the number of declared slices",
            "slices.declared.[].worse": "whether that is at most the level",
            "slices.searched": "slices that the search looked at",
            "slices.worst.[].**": "the worst of them, with the same keys; `p_adjusted` is corrected for the search",
            "behaviour.[].name": "a test of `behaviour.yaml`",
            "behaviour.[].kind": "invariance, direction or minimum functionality",
            "behaviour.[].cases": "texts it ran on",
            "behaviour.[].passed": "how many passed",
            "behaviour.[].share": "their share",
            "behaviour.[].interval": "its interval, by Wilson",
            "behaviour.[].at_least": "the share that was asked for",
            "behaviour.[].target_met": "whether it was reached",
            "behaviour.[].unknown_label": "true: it names a label that the model does not have, and did not run",
            "decisions.rows": "test rows that the thresholds decide",
            "decisions.abstained": "test rows that they leave open",
            "decisions.coverage": "share that is decided",
            "decisions.precision": "share right of those",
            "decisions.interval": "its interval, by Wilson",
            "decisions.by_label.<label>.**": "the same of the rows that are decided as this label",
        },
    ),
    "baseline.json": (
        "The linear model that everything is compared with.",
        {
            "rows": "train rows it was fitted to",
            "modality": "image, where it reads grey pixels; then no other key but `rows`",
            "chosen.features": "`words`, or `words_and_characters`",
            "chosen.estimator": "`logistic_regression` or `svm`",
            "chosen.penalty": "scikit-learn's C",
            "chosen.macro_f1": "on the validation rows, by which it was chosen",
            "chosen.log_loss": "on them, after the temperature",
            "terms": "n-grams it knows",
            "temperature": "by which its margins are divided to become probabilities",
            "tried.[].**": "every candidate, with the same keys as `chosen`",
        },
    ),
    "drift.json": (
        "The current window against held-out reference rows ([drift](../drift.md)).",
        {
            "drifted": "a significant signal moved by its smallest effect; null: no verdict",
            "significant": "the permutation test over all signals together found one",
            "reason": "the verdict in words",
            "level": "chance that a window without any change is called significant",
            "permutations": "permutations of the rows",
            "rows.reference": "held-out reference rows",
            "rows.current": "current rows",
            "signals.<signal>.statistic": "what the permutation test compares",
            "signals.<signal>.effect": "largest change in a share of rows",
            "signals.<signal>.effect_is": "the same in words",
            "signals.<signal>.where": "which share that is",
            "signals.<signal>.reference_share": "that share in the reference",
            "signals.<signal>.current_share": "and in the current window",
            "signals.<signal>.smallest_effect": "how much it has to move for an alarm",
            "signals.<signal>.p_value": "of the permutation test of this signal alone",
            "signals.<signal>.adjusted_p_value": "corrected for all signals",
            "signals.<signal>.significant": "whether that is at most `level`",
            "signals.<signal>.alarm": "significant, and moved by the smallest effect",
            "detectable_effect.power": "with which the next two would be found",
            "detectable_effect.min_contaminated_share": "smallest share of contaminated rows that all signals find",
            "detectable_effect.min_contaminated_share_by_signal.<signal>": "and that each finds alone",
            "detectable_effect.false_alarms_per_year": "significant windows to expect in a year without any change",
            "detectable_effect.past_windows": "windows of this length in the reference",
            "detectable_effect.past_windows_as_different.<signal>": "how many of them lie as far from the rest",
            "distances.current.<signal>": "how far the window lies from the reference, without what chance adds",
            "distances.past.[].from": "where a past window of the reference begins",
            "distances.past.[].until": "where it ends",
            "distances.past.[].rows": "its rows",
            "distances.past.[].labelled": "those with a label",
            "distances.past.[].right": "of these, those the model got right",
            "distances.past.[].estimated_accuracy": "accuracy by the confidences",
            "distances.past.[].distances.<signal>": "how far it lies from the rest of the reference",
            "segments.[].segment": "its number in `reports/drift_segments.parquet`",
            "segments.[].name": "words that set its current texts apart, the predicted class, or column and value",
            "segments.[].slice": "the column of `drift.slices` whose value it is; null: a cluster or a predicted class",
            "segments.[].words.[]": "these words",
            "segments.[].rows": "its current rows",
            "segments.[].share": "their share of the window",
            "segments.[].reference_share": "its share of the reference",
            "segments.[].estimated_accuracy": "of its current rows, without labels (CBPE)",
            "segments.[].measured_accuracy": "of those that have a label, from 30 on",
            "segments.[].estimated_loss": "its part in the window's estimated loss of accuracy; those of the clusters, "
            "and those of a column's values, add up to it",
            "segments.[].estimated_loss_interval": "95 %, of the sampling and the chance of the rows",
            "performance.estimated_accuracy": "accuracy of the current rows without their labels (CBPE)",
            "performance.error": "half of the next",
            "performance.interval": "its interval, of sampling alone",
            "performance.method": "how it is estimated, in words",
            "performance.atc.**": "the same by average thresholded confidence",
            "performance.measured_accuracy": "accuracy of the current rows that have labels",
            "performance.measured_interval": "its interval, by Wilson",
            "performance.measured_rows": "how many they are",
            "performance.measured_over": "all rows, or those that have labels",
            "performance.reference_accuracy": "accuracy of the held-out reference rows",
            "performance.reference_interval": "its interval, by Wilson",
            "performance.reference_rows": "how many they are",
            "performance.beside_baseline.rows": "current rows with labels",
            "performance.beside_baseline.accuracy": "the model's accuracy on them",
            "performance.beside_baseline.macro_f1": "and its macro-F1",
            "performance.beside_baseline.baseline.**": "the baseline's",
            "performance.beside_baseline.difference.**": "the model's minus the baseline's",
            "performance.beside_baseline.interval.**": "the interval of that, by the paired bootstrap",
            "change.covariate": "a signal of the inputs is significant",
            "change.label": "the signal of the labels is",
            "change.concept": "the measured accuracy lies outside both of the next; null: not known",
            "change.accuracy_if_inputs_changed": "where it would lie if only the inputs had changed",
            "change.accuracy_if_labels_changed": "and if only the shares of the labels had",
            "quality.text_in_held_out.rows": "current texts that the held-out rows hold word for word",
            "quality.text_in_held_out.share": "their share",
            "quality.text_in_training.rows": "and that the training rows hold",
            "quality.text_in_training.share": "their share",
            "quality.unseen_labels.<label>": "current rows with a label that the reference does not have",
        },
    ),
    "ingest_<window>.json": (
        "What was read.",
        {
            "window": "reference or current",
            "rows": "records of the window",
            "files.<file>": "records by file",
            "problems.<reason>": "records that cannot be used, by reason ([the data contract](../data.md#row-rules))",
            "source.path": "the source; of the current window alone, as the next ones",
            "source.records": "its records",
            "source.reference": "those in the reference window",
            "source.current": "those in the current one",
            "source.undated": "those without a time that can be read",
            "source.outside": "those in neither",
            "source.left_out.<why>": "records that `ingest.where` or an export's state leaves out",
            "left_out.<why>": "the same of this window",
            "dialects": "how files are written that are no plain csv",
            "files_ignored.count": "files in the folder that are no data",
            "files_ignored.first": "the first of them",
            "renamed_columns.<column>": "columns whose name is one of Driftline's, and what each is called here",
            "columns_differ.[].kind": "new, missing or another type",
            "columns_differ.[].column": "which column",
            "columns_differ.[].file": "of which file",
            "late_labels.labels": "labels that came later",
            "late_labels.joined": "of which the window has the row",
            "late_labels.replaced": "of which the row had another label",
            "late_labels.unlabelled": "rows that still have none",
        },
    ),
    "validate_<window>.json": (
        "What passed ([the data contract](../data.md)).",
        {
            "rows": "records of the window",
            "validated": "those that passed",
            "quarantined": "those that are held",
            "share_quarantined": "their share",
            "reasons.<reason>": "held rows by reason; a row may have several",
            "labels.<label>": "rows that passed, by label",
            "released": "rows that passed because `data/released.csv` says so",
            "personal_data.<kind>": "rows that hold some, by kind",
            "texts_decoded_twice": "texts that look as if decoded twice",
            "look_alike_labels": "groups of labels that a person would read as one, with their rows",
            "missing_label_words.<label>": "rows whose label is a word for none",
            "merged_labels.<label>": "rows that `merge_labels` changed",
            "findings": "what was printed about labels and texts",
        },
    ),
    "split.json": (
        "",
        {
            "rows.<split>": "rows of train, validation, test and quarantine",
            "labels.<split>.<label>": "rows of each label",
            "near_duplicate_rows": "rows that resemble another one; they stay together",
            "reasons.bridges_splits": "rows held because they resemble rows of two splits",
        },
    ),
    "tokenize.json": (
        "",
        {
            "max_length": "tokens at most",
            "tokens": "`ngrams`, of a linear model",
            "<split>.rows": "texts or images",
            "<split>.tokens": "tokens in all",
            "<split>.truncated_share": "share of the texts that were cut",
            "<split>.unknown_share": "share of unknown tokens",
            "modality": "`image`; then channels, height and width of what the model reads",
            "channels": "of each image",
            "height": "in pixels",
            "width": "in pixels",
        },
    ),
    "pretrain.json": (
        "",
        {
            "epochs": "`pretrain.epochs`; 0: nothing was done",
            "texts": "texts it learnt from",
            "held_out_texts": "texts held out for the perplexity",
            "tokens": "tokens of an epoch",
            "head_drawn": "whether the head for masked tokens began at random",
            "steps": "optimizer's steps",
            "perplexity_before": "on the held-out texts",
            "perplexity_after": "the same after it",
        },
    ),
    "finetune.json": (
        "",
        {
            "labels": "in the order of the model's outputs",
            "steps": "optimizer's steps; 0: a linear model",
            "selected_step": "the one whose weights are used",
            "temperature": "by which the logits are divided",
            "parameters": "weights of the model",
            "trainable_parameters": "those that were trained",
            "frozen_layers": "layers that were not",
            "cls_only_last_layer": "whether the last layer ran for the CLS token alone",
            "precision": "of the matrix products",
            "train_loss": "of the last steps",
            "validation_loss": "before the temperature",
            "validation_loss_at_temperature": "after it",
            "validation_accuracy": "on the validation rows",
            "decision.**": "costs and thresholds by label, where `finetune.decision` has an aim",
            "chosen.**": "of a linear model, as in `baseline.json`",
            "tried.**": "the same",
        },
    ),
    "score_<window>.json": (
        "",
        {
            "rows": "rows scored: of the reference those of test and validation that were held out",
            "truncated_share": "share of the texts that were cut",
            "predictions.<label>": "rows by predicted label",
            "abstained": "rows that the thresholds leave open",
            "mean_confidence": "mean of the largest probability",
            "precision": "bf16, where `score.precision` says so; with it come the next keys",
            "beside_fp32.rows": "a sample of the rows, which were scored in fp32 too",
            "beside_fp32.flips": "those of them that bf16 gives another label",
            "beside_fp32.flip_share": "their share",
            "beside_fp32.flips_above_margin": "those whose two highest probabilities are more than 0.02 apart in fp32",
            "beside_fp32.largest_difference": "of a probability",
        },
    ),
    "explain.json": (
        "",
        {
            "mistakes": "mistakes that are explained",
            "complete": "those whose attributions add up to the difference of the logits",
            "largest_error": "by how much the worst one misses it",
            "labelled_rows": "rows whose label was judged",
            "suspects": "rows in `reports/suspects.csv`",
        },
    ),
}
"""By file: what it is about, and the meaning of each key. ``**`` stands for all keys below."""


def page() -> str:
    """The page, as Markdown."""
    parts = [INTRODUCTION]
    for file, (about, figures) in FIGURES.items():
        rows = [f"| `{key.replace('**', '…')}` | {meaning} |" for key, meaning in figures.items()]
        parts += [f"## {file}\n", *([f"{about}\n"] if about else []), "| key | |", "|---|---|", *rows, ""]
    return "\n".join(parts)


def keys(figures: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Each key of a metrics file that holds a figure, as the names on the way to it."""
    if isinstance(figures, Mapping):
        for name, inside in figures.items():
            yield from keys(inside, (*before, name))
    elif isinstance(figures, list) and figures and isinstance(figures[0], Mapping):
        for inside in figures:
            yield from keys(inside, (*before, "[]"))
    else:
        yield before


def describes(pattern: str, key: tuple[str, ...]) -> bool:
    """Whether a line of the table is about a key."""
    parts = pattern.split(".")
    if parts[-1] == "**":
        parts, key = parts[:-1], key[: len(parts) - 1]
    return len(parts) == len(key) and all(
        bool(re.fullmatch("<.+>", part)) or part == name for part, name in zip(parts, key, strict=True)
    )
