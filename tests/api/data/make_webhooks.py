"""Signatures as the Standard Webhooks project's own library makes them.

    pip install standardwebhooks==1.1.0
    python tests/api/data/make_webhooks.py > tests/api/data/webhooks.json
"""

import json
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook

CASES = [
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
     '{"test": 2432232314}'),
    ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "msg_01a20e87-33ba-763e-bfe0-350a48158c76_7",
     1764000000,
     '{"type":"job.succeeded","timestamp":"2025-11-24T16:00:00.000Z","data":{"name":"naïve"}}'),
]

signed = []
for secret, message, timestamp, payload in CASES:
    time = datetime.fromtimestamp(timestamp, timezone.utc)
    signature = Webhook(secret).sign(message, time, payload)
    signed.append({"secret": secret, "id": message, "timestamp": timestamp, "payload": payload,
                   "signature": signature})
print(json.dumps({"standardwebhooks": "1.1.0", "cases": signed}, indent=1, ensure_ascii=False))
