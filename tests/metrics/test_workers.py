"""What the metrics tell of probe workers."""

from maglev.metrics.workers import WorkerCollector
from tests.fakes.logs import recorded_events
from tests.fakes.metrics import Scraped
from tests.fakes.workers import STEP, PoolBackends, WorkerPoolRig


def test_the_metrics_tell_how_workers_do():
    with recorded_events():
        rig = WorkerPoolRig(2)
        rig.start()
        rig.advance(1)
        backends = PoolBackends(rig, 8)
        backends.start()
        first = len(backends.at(rig.processes[0]))
        scraped = Scraped((WorkerCollector(rig.pool),))
        assert scraped.value("maglev_probe_workers") == 2
        assert scraped.value("maglev_probe_worker_in_flight", worker="0") == first
        assert scraped.value("maglev_probe_worker_in_flight", worker="1") == 8 - first
        assert scraped.value("maglev_probe_worker_queued", worker="0") == 0
        assert scraped.value("maglev_probe_worker_cpu_seconds_total", worker="0") == 1.5
        assert scraped.value("maglev_probe_worker_lag_seconds_count", worker="1") >= 2
        backends.finish()
        assert Scraped((WorkerCollector(rig.pool),)).value("maglev_probe_worker_delay_seconds_count") == 8
        rig.slow = True
        for process in rig.live():
            process.die()
        rig.advance(STEP)
        backends.start("b0", "b1")
        rig.advance(1)
        scraped = Scraped((WorkerCollector(rig.pool),))
        assert scraped.value("maglev_probe_workers") == 0
        assert scraped.value("maglev_probe_worker_waiting") == 2
        assert 1 < scraped.value("maglev_probe_worker_wait_seconds") < 1.1
        assert scraped.value("maglev_probe_worker_restarts_total", worker="1") == 1
        assert scraped.value("maglev_probe_worker_ignored_total") == 0
        rig.pool.stopService()
        rig.advance(2)
