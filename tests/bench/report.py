"""Several runs of a scenario as one row: the median of each figure, the worst of the errors."""
import statistics


def median_of(runs):
    merged = {}
    for key in runs[0]:
        values = [r[key] for r in runs if key in r]
        numeric = all(isinstance(v, (int, float)) for v in values)
        merged[key] = statistics.median(values) if numeric else values[0]
    merged["errors"] = max(r["errors"] for r in runs)
    rates = [r["rate"] for r in runs]
    merged["rate_spread"] = (max(rates) - min(rates)) / merged["rate"] if merged["rate"] else 0
    merged["runs"] = len(runs)
    return merged


def show(name, r):
    if "held" in r:
        return (f"{name:20} held {r['held']:.0f}  PSS {r['pss_kib']:.1f} KiB/session "
                f"(base {r['base_pss_kib'] / 1024:.0f} MiB)  "
                f"slab {r['slab_kib']:.1f}  buffers {r['tcp_buffer_kib']:.1f} KiB/session  open {r['cpu_us']:.0f} us  "
                f"idle CPU {r['hold_cpu_s']:.3f} s/s  errors {r['errors']:.0f}")
    text = (f"{name:20} {r['rate']:10.1f}/s  cpu {r['cpu_us']:9.1f} us/op  all {r['all_us']:9.1f} us/op  "
            f"busy {r['busy'] * 100:3.0f}%  other {r['other'] * 100:3.0f}%  "
            f"p50 {r['p50_us'] / 1000:.2f} p95 {r['p95_us'] / 1000:.2f} p99 {r['p99_us'] / 1000:.2f} ms  "
            f"errors {r['errors']:.0f}  spread {r['rate_spread'] * 100:.0f}%")
    if r["kthread_us"] > 0.1 * r["all_us"]:
        text += f"  kernel threads {r['kthread_us']:.1f} us/op"
    if "mb_s" in r:
        text += f"  {r['mb_s']:.0f} MB/s  {r['cpu_s_gb']:.3f} s/GB (all {r['all_s_gb']:.3f})"
    return text
