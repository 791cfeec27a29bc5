"""Near-duplicate removal by curate on a Spark cluster, with the bytes of one process.

    spark-submit dedup_spark.py --run DIR [options] INPUT... [-- FLAGS OF curate dedup start]

DIR and INPUT are paths or URLs that all executors see. Steps over texts are tasks that call the curate binary by a path;
Spark's shuffles see rows of numbers alone, in Parquet: who shares a bucket (stars), and what similar pairs link together
(labels). curate checks what comes back. Repeat the same command to go on after a failure: what is done is not done again.
"""

import argparse
import os
import subprocess
import sys

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

MAX_ROUNDS = 20  # of large-star and small-star; web corpora take 2 to 4


def call(argv):
    """Runs curate in a task. Any exit code but 0 fails the task, and Spark repeats it (spark.task.maxFailures)."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr[-4000:]}")
    return done.stdout


def stars(keys):
    """Each document of a bucket with the smallest ID there; and of keys that are alone, how many there are and their bits, by which
    curate sees that nothing was lost. One shuffle, by slices of ranges, so that a range is in few files."""
    keys = keys.withColumn("slice", F.shiftright("bucket", 52)).repartition("range", "slice")
    bucket = Window.partitionBy("range", "slice", "bucket")
    keys = keys.select("range", "bucket", "id", F.min("id").over(bucket).alias("hub"), F.count("*").over(bucket).alias("n"))
    null = F.lit(None).cast("bigint")
    shared = keys.where("n > 1 and id > hub").select("range", "bucket", "hub", "id", null.alias("alone"), null.alias("xor"))
    alone = keys.where("n = 1").groupBy("range").agg(F.count("*").alias("alone"), F.expr("bit_xor(bucket ^ id)").alias("xor"))
    return shared.union(alone.select("range", null.alias("bucket"), null.alias("hub"), null.alias("id"), "alone", "xor"))


class Run:
    def __init__(self, spark, args, start_flags):
        self.spark, self.args = spark, args
        self.start = [*start_flags, *args.input]
        # DIR as Spark names it.
        dir = args.run.replace("s3://", "s3a://", 1) if "://" in args.run else "file://" + args.run
        self.dir = (args.spark_run or dir).rstrip("/") + "/"
        self.exchange = self.dir + "_curate/ranks/exchange"

    def argv(self, *verb):
        return [self.args.curate, "dedup", *verb, "--run", self.args.run]

    def one(self, *argv):
        """Calls curate in a single task, since the driver may not see the files."""
        return self.spark.sparkContext.parallelize([list(argv)], 1).map(call).collect()[0]

    def ranks(self, *verb):
        """Calls curate in a task a rank. Each is given few files or ranges, so that a lost executor loses little."""
        n, machine = self.args.ranks, ["-q", "-j", str(self.args.jobs), "--memory", self.args.memory]
        argv = [[*self.argv(*verb), *machine, "--rank", str(i), "--world-size", str(n)] for i in range(n)]
        self.spark.sparkContext.parallelize(argv, n).foreach(call)

    def single(self, *verb):
        self.one(*self.argv(*verb), "-q", "-j", str(self.args.jobs), "--memory", self.args.single_memory)

    def exported(self, what):
        """Reads an export by the names of its files: a listing may lack some."""
        self.ranks("export", what)
        names = self.one(*self.argv("export", what, "--list")).split("\n")[:-1]
        return self.spark.read.parquet(*[self.dir + name for name in names])

    def pairs(self):
        stars(self.exported("keys")).write.mode("overwrite").partitionBy("range").parquet(self.exchange + "/stars")
        self.ranks("import", "stars")

    def components(self):
        """Labels: the smallest number of each document's component, by large-star and small-star in turn (Kiveris et al. 2014)."""
        pairs = self.exported("edges").select(F.col("b").alias("u"), F.col("a").alias("v")).distinct()  # u > v, always
        pairs, before = self.keep(pairs, 0)
        for n in range(1, MAX_ROUNDS + 1):
            # Large-star: u's larger neighbours hang on the smallest of u and its neighbours.
            both = pairs.union(pairs.select("v", "u"))
            least = both.groupBy("u").agg(F.min("v").alias("m")).select("u", F.least("u", "m").alias("m"))
            pairs = both.join(least, "u").where("v > u").select(F.col("v").alias("u"), F.col("m").alias("v")).distinct()
            # Small-star: u and its smaller neighbours hang on the smallest of them.
            least = pairs.groupBy("u").agg(F.min("v").alias("m"))
            small = pairs.join(least, "u").where("v > m").select(F.col("v").alias("u"), F.col("m").alias("v"))
            pairs, now = self.keep(small.union(least).distinct(), n)
            print(f"curate: components, round {n}: {now[0]} pairs", file=sys.stderr, flush=True)
            if now == before:
                labels = pairs.select(F.col("u").alias("node"), F.col("v").alias("component"))
                labels.write.mode("overwrite").parquet(self.exchange + "/labels")
                self.single("import", "labels")
                return
            before = now
        most = pairs.groupBy("v").count().agg(F.max("count")).first()[0]
        raise RuntimeError(f"components: still changing after {MAX_ROUNDS} rounds; {most} documents hang on one. "
                           f"Let curate do it: {' '.join(self.argv('components'))}")

    def keep(self, pairs, n):
        """Writes a round down, which cuts what Spark would do again, and sums it up: how many, and their bits."""
        path = f"{self.exchange}/rounds/{n}"
        pairs.write.mode("overwrite").parquet(path)
        pairs = self.spark.read.schema("u bigint, v bigint").parquet(path)
        return pairs, pairs.agg(F.count("*"), F.expr("bit_xor(xxhash64(u, v))"), F.expr("bit_xor(u)")).first()

    def go(self):
        self.one(*self.argv("start"), "-q", *self.start)
        last = None
        while (step := self.one(*self.argv("status"), "--next").strip()) != "done":
            if step == last:
                raise RuntimeError(f"{step} was done and is still to be done: was something removed from {self.args.run}?")
            print(f"curate: {step}", file=sys.stderr, flush=True)
            if step == "pairs" and not self.args.schedule_only:
                self.pairs()
            elif step == "components" and not self.args.schedule_only:
                self.components()
            elif step in ("components", "decide"):
                self.single(step)
            elif step == "apply --finish":
                self.one(*self.argv("apply"), "-q", "--finish", "--max-quarantined", self.args.max_quarantined)
            else:
                self.ranks(step)
            last = step


def main():
    argv, flags = sys.argv[1:], []
    if "--" in argv:
        argv, flags = argv[:argv.index("--")], argv[argv.index("--") + 1:]
    p = argparse.ArgumentParser(usage="%(prog)s --run DIR [options] INPUT... [-- FLAGS OF curate dedup start]")
    p.add_argument("input", nargs="+", help="file, glob or folder, as curate takes them")
    p.add_argument("--run", required=True, help="folder or URL that all executors see, and that becomes the output directory")
    p.add_argument("--spark-run", help="the same as Spark names it, such as hdfs:///... (default file:// and s3a://)")
    p.add_argument("--ranks", type=int, default=64, help="tasks of a step (default 64); there is work for as many as files, and --ranges")
    p.add_argument("--schedule-only", action="store_true", help="no shuffles by Spark: it runs curate's own steps and nothing else")
    p.add_argument("--curate", default="curate", help="the binary on the executors")
    p.add_argument("--jobs", type=int, default=1, help="cores of a task (default 1); give spark.task.cpus the same")
    p.add_argument("--memory", default="2GiB", help="of a task (default 2GiB), beside Spark's (spark.executor.memoryOverhead)")
    p.add_argument("--single-memory", default="4GiB", help="of the steps that one process does (default 4GiB)")
    p.add_argument("--max-quarantined", default="0", help="N or P%% of the records")
    args = p.parse_args(argv)
    if "://" not in args.run:
        args.run = os.path.abspath(args.run)
    args.input = [i if "://" in i else os.path.abspath(i) for i in args.input]
    spark = SparkSession.builder.appName("curate dedup").getOrCreate()
    try:
        Run(spark, args, flags).go()
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
