"""trl dpo for pairs that are tokenized: prompt_ids, chosen_ids, rejected_ids.

TRL's own script, without the step that makes these of text.
"""
from trl import DPOTrainer
from trl.scripts import dpo


def prepared(self, dataset, *args, **kwargs):
    return dataset


if __name__ == "__main__":
    DPOTrainer._prepare_dataset = prepared
    dpo.main(*dpo.make_parser().parse_args_and_config(fail_with_unknown_args=False))
