"""Memory and descriptors of processes over time."""

from collections.abc import Callable

import psutil


class ProcessWatch:
    """Samples processes by name; one that ends is sampled no more."""

    def __init__(self, process_ids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(process_id) for name, process_id in process_ids.items()}
        self.memory_kib: dict[str, list[tuple[float, float]]] = {name: [] for name in process_ids}
        self.descriptors: dict[str, list[tuple[float, float]]] = {name: [] for name in process_ids}

    def sample(self, seconds: float, block: str, record: Callable[[str, str, int, int], None]) -> None:
        """Takes one sample of each, of resident memory in KiB and of open descriptors, and hands it to `record`."""
        for name, process in list(self._processes.items()):
            try:
                memory_kib = process.memory_info().rss // 1024
                descriptors = process.num_fds()
            except psutil.Error:
                del self._processes[name]
                continue
            self.memory_kib[name].append((seconds, memory_kib))
            self.descriptors[name].append((seconds, descriptors))
            record(name, block, memory_kib, descriptors)
