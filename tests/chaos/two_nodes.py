"""A Ray cluster of two nodes on this machine, one of which can be lost: `python two_nodes.py`.

Prints a JSON line, the cluster's address and the process id of the second node's raylet, at the start and after each
line that it reads, for which it loses the second node, without grace, and adds another one. Ends with its input.
"""

import json
import os
import sys

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args=NODE | {"temp_dir": f"{os.environ['RAY_TMPDIR']}/ray"})
    node = cluster.add_node(num_cpus=1, object_store_memory=NODE["object_store_memory"])
    _say(cluster, node)
    for _ in sys.stdin:
        cluster.remove_node(node, allow_graceful=False)
        node = cluster.add_node(num_cpus=1, object_store_memory=NODE["object_store_memory"])
        _say(cluster, node)
    cluster.shutdown()


def _say(cluster: Cluster, node: object) -> None:
    [raylet] = node.all_processes["raylet"]  # type: ignore[attr-defined]
    print(json.dumps({"address": cluster.address, "raylet": raylet.process.pid}), flush=True)


if __name__ == "__main__":
    main()
