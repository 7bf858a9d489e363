"""The same rows through NeMo Data Designer, in its own environment: `python FILE URL ROWS CONCURRENCY FOLDER`."""

from __future__ import annotations

import json
import logging
import os
import sys

os.environ |= {"NEMO_TELEMETRY_ENABLED": "false", "HF_HUB_OFFLINE": "1"}


def main() -> None:
    """Generate one text column over a seed of questions."""
    import data_designer.config as dd
    import pandas as pd
    from data_designer.interface import DataDesigner

    logging.disable(logging.WARNING)
    url, rows, concurrency, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    provider = dd.ModelProvider(name="bench", endpoint=url, provider_type="openai", api_key="none")
    parameters = dd.ChatCompletionInferenceParams(max_tokens=100, max_parallel_requests=concurrency, timeout=60)
    model = dd.ModelConfig(
        alias="m", model="m", provider="bench", inference_parameters=parameters, skip_health_check=True
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    questions = pd.DataFrame({"question": [f"Question {i}: tell me something." for i in range(rows)]})
    builder.with_seed_dataset(dd.DataFrameSeedSource(df=questions))
    builder.add_column(dd.LLMTextColumnConfig(name="answer", prompt="{{ question }}", model_alias="m"))
    designer = DataDesigner(artifact_path=folder, model_providers=[provider])
    made = designer.create(builder, num_records=rows).load_dataset()
    print(json.dumps({"rows": int(made["answer"].notna().sum())}))


if __name__ == "__main__":
    main()
