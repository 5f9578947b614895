"""Single functions in containers: one call, then several at a time.

python call.py
"""

from buildr import Containerize


@Containerize
def primes(least: int, most: int) -> list[int]:
    return [n for n in range(max(least, 2), most) if all(n % d for d in range(2, int(n**0.5) + 1))]


if __name__ == "__main__":
    print(primes.remote(0, 30))
    parts = range(0, 40000, 10000)
    counts = [len(part) for part in primes.map(parts, [start + 10000 for start in parts])]
    print(f"{sum(counts)} primes below 40000: {counts}")
