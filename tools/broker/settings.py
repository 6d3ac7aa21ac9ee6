"""What a private node is told: its configuration file and its environment."""

import os
from collections.abc import Sequence
from pathlib import Path

from tools.ports import HOST, Ports

NODE_NAME = "signal-bridge@localhost"
PLUGINS = "[rabbitmq_management]."


def write(directory: Path, *, ports: Ports, extra: Sequence[str]) -> None:
    """EXTRA are lines of rabbitmq.conf that come last."""
    lines = [
        f"listeners.tcp.1 = {HOST}:{ports['amqp']}",
        f"management.tcp.ip = {HOST}",
        f"management.tcp.port = {ports['management']}",
        "log.console = false",
        "log.file.level = info",
        *extra,
    ]
    (directory / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    (directory / "enabled_plugins").write_text(PLUGINS + "\n")


def environment(directory: Path, *, ports: Ports) -> dict[str, str]:
    """The node's environment. It shares no files, cookie or port mapper with a RabbitMQ that the machine runs."""
    paths = {
        "HOME": "",  # the cookie is there
        "RABBITMQ_CONFIG_FILE": "rabbitmq.conf",
        "RABBITMQ_CONFIG_FILES": "conf.d/*.conf",
        "RABBITMQ_ADVANCED_CONFIG_FILE": "advanced.config",
        "RABBITMQ_CONF_ENV_FILE": "rabbitmq-env.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": "enabled_plugins",
        "RABBITMQ_GENERATED_CONFIG_DIR": "generated",
        "RABBITMQ_SCHEMA_DIR": "schema",
        "RABBITMQ_MNESIA_BASE": "data",
        "RABBITMQ_LOG_BASE": "log",
        "RABBITMQ_PID_FILE": "rabbitmq.pid",
    }
    return {
        **_inherited(),
        **{name: str(directory / path) for name, path in paths.items()},
        "RABBITMQ_NODENAME": NODE_NAME,
        "RABBITMQ_DIST_PORT": str(ports["distribution"]),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # Makes the start script exec the node, so that the pid that was started is the node's.
        "RABBITMQ_ALLOW_INPUT": "true",
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_CRASH_DUMP_BYTES": "0",
    }


def _inherited() -> dict[str, str]:
    own = ("RABBITMQ_", "ERL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}
