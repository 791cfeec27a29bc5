"""Products of matrices by numpy's OpenBLAS.

usage: numpy_gemm.py POOL OFFSET THREADS SECONDS OUT SHAPE…

A SHAPE is NN, NT or TN and M x N x K, such as NT:1024x704x256. A begins at the first number of POOL, raw float32, and B at
number OFFSET. Each product is made for SECONDS, and at least five times; with 0 once. OUT, unless "-", gets the results, one
behind the other. Prints one JSON object: of each shape the least wall and CPU seconds, and what OpenBLAS runs.
"""
import json
import os
import sys
import time

# What somebody has set for another purpose must not choose the kernel or its blocks.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = sys.argv[3]

import numpy  # noqa: E402


def library():
    """Core, threads and version of the OpenBLAS in numpy's wheel."""
    try:
        import threadpoolctl

        for p in threadpoolctl.threadpool_info():
            if p.get("internal_api") == "openblas":
                return {"kernels": p.get("architecture"), "threads": p["num_threads"], "version": p["version"]}
    except ImportError:
        pass
    import ctypes
    import glob

    for file in glob.glob(os.path.join(os.path.dirname(os.path.dirname(numpy.__file__)), "numpy.libs", "*openblas*")):
        lib = ctypes.CDLL(file)  # it is loaded already
        lib.scipy_openblas_get_corename64_.restype = lib.scipy_openblas_get_config64_.restype = ctypes.c_char_p
        return {
            "kernels": lib.scipy_openblas_get_corename64_().decode(),
            "threads": lib.scipy_openblas_get_num_threads64_(),
            "version": lib.scipy_openblas_get_config64_().decode().split()[1],
        }
    raise SystemExit("numpy has no OpenBLAS of its own; take numpy's wheel")


def main():
    pool, offset, seconds, out = numpy.fromfile(sys.argv[1], "<f4"), int(sys.argv[2]), float(sys.argv[4]), sys.argv[5]
    answer = {"wall": [], "cpu": [], **library()}
    file = open(out, "wb") if out != "-" else None
    for shape in sys.argv[6:]:
        op, sizes = shape.split(":")
        m, n, k = map(int, sizes.split("x"))
        a, b = pool[: m * k], pool[offset : offset + n * k]
        a = a.reshape(k, m).T if op == "TN" else a.reshape(m, k)
        b = b.reshape(n, k).T if op == "NT" else b.reshape(k, n)
        c = numpy.zeros((m, n), "f4")
        walls, cpus, began = [], [], time.perf_counter()
        while True:
            wall, cpu = time.perf_counter(), time.process_time()
            numpy.matmul(a, b, out=c)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
            if seconds == 0 or len(walls) >= 5 and time.perf_counter() - began >= seconds:
                break
        answer["wall"].append(min(walls))
        answer["cpu"].append(min(cpus))
        if file:
            file.write(c.tobytes())
    if file:
        file.close()
    print(json.dumps(answer))


main()
