// Training steps of llm.c's train_gpt2.c, as its main has them, and nothing but them.
//
// usage: llmc_steps CHECKPOINT SHARD ROWS LENGTH STEPS
//
// The last line of its output is a JSON object: of each step the loss, and wall and CPU seconds, that of all threads. It is
// built with -I and the folder of llm.c's sources.
#define TESTING
#include "train_gpt2.c"

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void list(const char *name, const double *x, int n, const char *end) {
    printf("\"%s\":[", name);
    for (int i = 0; i < n; i++) printf("%s%.9g", i ? "," : "", x[i]);
    printf("]%s", end);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int rows = atoi(argv[3]), length = atoi(argv[4]), steps = atoi(argv[5]);
    GPT2 model;
    gpt2_build_from_checkpoint(&model, argv[1]);
    DataLoader data;
    dataloader_init(&data, argv[2], rows, length, 0, 1, 1);
    double *loss = mallocCheck(3 * steps * sizeof(double)), *wall = loss + steps, *cpu = wall + steps;
    for (int i = 0; i < steps; i++) {
        double w = seconds(CLOCK_MONOTONIC), c = seconds(CLOCK_PROCESS_CPUTIME_ID);
        dataloader_next_batch(&data);
        gpt2_forward(&model, data.inputs, data.targets, rows, length);
        gpt2_zero_grad(&model);
        gpt2_backward(&model);
        gpt2_update(&model, 1e-4f, 0.9f, 0.999f, 1e-8f, 0.0f, i + 1);
        wall[i] = seconds(CLOCK_MONOTONIC) - w, cpu[i] = seconds(CLOCK_PROCESS_CPUTIME_ID) - c;
        loss[i] = model.mean_loss;
    }
    printf("\n{");
    list("losses", loss, steps, ",");
    list("wall", wall, steps, ",");
    list("cpu", cpu, steps, ",");
    printf("\"parameters\":%zu}\n", model.num_parameters);
    return 0;
}
