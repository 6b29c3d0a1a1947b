"""The adapter that is tuned: of which kind, in which layers, with how much dropout."""

from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import PreTrainedModel

from core.errors import SettingsError
from training.dropout import Dropout, Noise
from training.hyperparameters import Hyperparameters


def add_adapter(model: PreTrainedModel, how: Hyperparameters, noise: Noise) -> PeftModel:
    """A model with an adapter to tune, ready to learn.

    Raises: SettingsError where the model is not what the settings ask for.
    """
    config = LoraConfig(
        r=how.rank,
        lora_alpha=how.alpha,
        use_rslora=how.method != "lora",
        use_dora=how.method == "dora",
        lora_dropout=how.dropout,
        task_type="CAUSAL_LM",
        **_where(model, how.layers),
    )
    tuned = get_peft_model(model, config, autocast_adapter_dtype=False)
    if how.dropout:
        for number, layer in enumerate(m for m in tuned.modules() if isinstance(m, LoraLayer)):
            layer.lora_dropout["default"] = Dropout(how.dropout, number, noise)
    if how.gradient_checkpointing:
        _keep_little(model)
    tuned.train()
    return tuned


def _where(model: PreTrainedModel, layers: int | None) -> dict[str, Any]:
    """PEFT's words for every linear layer but the output embedding, in all layers or only the last so many."""
    if layers is None:
        return {"target_modules": "all-linear"}
    count = model.config.get_text_config().num_hidden_layers
    if layers > count:
        raise SettingsError(f"APPRENTICE_LORA_LAYERS={layers}, and the model has {count} layers; choose fewer.")
    head = model.get_output_embeddings()
    linear = [name for name, m in model.named_modules() if isinstance(m, nn.Linear) and m is not head]
    names = sorted({name.rpartition(".")[2] for name in linear})
    return {"target_modules": names, "layers_to_transform": list(range(count - layers, count))}


def _keep_little(model: PreTrainedModel) -> None:
    """Have a pass keep only what each layer reads; masks are made anew from their place, so no state is kept either."""
    if not model.supports_gradient_checkpointing:
        raise SettingsError(
            f"APPRENTICE_GRADIENT_CHECKPOINTING=true, which {model.config.model_type} models cannot do; leave it false."
        )
    model.activation_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
