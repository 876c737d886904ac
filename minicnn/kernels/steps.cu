// A step of an optimizer for many parameters in one launch; the equations are those of steps.py.
//
// The table of addresses travels in the launch itself, as an argument by value: nothing is copied to
// the GPU beforehand, and nothing can be out of date. `numbers`, if not null, replaces those of the
// table that change from step to step: a captured launch is repeated with the table it was given.
// Nothing changes if `found_inf` is not null and true.

#define ROOM 3840  // bytes for a table; the arguments of a kernel may have 4096
#define ELEMENTS 4096  // of a block

template <int STATES>
struct Tensor {
    real* p;
    const real* g;
    real* state[STATES];  // null if there is none
    wide numbers[3];
    int size, first_block;
};

template <int STATES>
struct Table {
    Tensor<STATES> at[ROOM / sizeof(Tensor<STATES>)];
    int count;
    int aligned;  // whether 16 bytes may be read at once everywhere
};

typedef Pack<real, LANES> Reals;

// Find the block's parameter, and call update(p, g, state, numbers) for each of its elements.
template <int STATES, class Update>
__device__ __forceinline__ void for_each_element(const Table<STATES>& table,
                                                 const wide* __restrict__ numbers,
                                                 const bool* found_inf, Update update) {
    if (found_inf && *found_inf) return;
    int low = 0, high = table.count - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (table.at[middle].first_block <= (int)blockIdx.x) low = middle;
        else high = middle - 1;
    }
    const Tensor<STATES>& t = table.at[low];
    wide n[3];
    for (int k = 0; k < 3; k++) n[k] = numbers ? numbers[low * 3 + k] : t.numbers[k];
    const int start = (blockIdx.x - t.first_block) * ELEMENTS, end = min(t.size, start + ELEMENTS);
    for (int i = start + threadIdx.x * LANES; i < end; i += blockDim.x * LANES) {
        Reals p = {}, g = {}, state[STATES] = {};
        const bool whole = table.aligned && i + LANES <= end;
        const int count = min(LANES, end - i);
        if (whole) {
            p = *reinterpret_cast<const Reals*>(t.p + i);
            g = *reinterpret_cast<const Reals*>(t.g + i);
            for (int k = 0; k < STATES; k++)
                if (t.state[k]) state[k] = *reinterpret_cast<const Reals*>(t.state[k] + i);
        } else {
            #pragma unroll  // so that no array needs an address, and all stay in registers
            for (int l = 0; l < LANES; l++) {
                if (l >= count) continue;
                p.at[l] = t.p[i + l], g.at[l] = t.g[i + l];
                for (int k = 0; k < STATES; k++)
                    if (t.state[k]) state[k].at[l] = t.state[k][i + l];
            }
        }
        #pragma unroll
        for (int l = 0; l < LANES; l++) {
            wide q = p.at[l], s[STATES];
            for (int k = 0; k < STATES; k++) s[k] = state[k].at[l];
            update(q, wide(g.at[l]), s, n);
            p.at[l] = real(q);
            for (int k = 0; k < STATES; k++) state[k].at[l] = real(s[k]);
        }
        if (whole) {
            *reinterpret_cast<Reals*>(t.p + i) = p;
            for (int k = 0; k < STATES; k++)
                if (t.state[k]) *reinterpret_cast<Reals*>(t.state[k] + i) = state[k];
        } else {
            #pragma unroll
            for (int l = 0; l < LANES; l++) {
                if (l >= count) continue;
                t.p[i + l] = p.at[l];
                for (int k = 0; k < STATES; k++)
                    if (t.state[k]) t.state[k][i + l] = state[k].at[l];
            }
        }
    }
}

// Numbers: lr, what is kept of the velocity, and what is added of the gradient.
extern "C" __global__ void sgd(const __grid_constant__ Table<1> table, const wide* numbers,
                               const bool* found_inf, wide momentum, wide weight_decay,
                               bool has_velocity, bool nesterov, bool maximize) {
    for_each_element(table, numbers, found_inf, [=](wide& p, wide g, wide* b, const wide* n) {
        if (maximize) g = -g;
        if (weight_decay != 0) g += weight_decay * p;
        if (has_velocity) {
            b[0] = n[1] != 0 ? n[1] * b[0] + n[2] * g : n[2] * g;
            g = nesterov ? g + momentum * b[0] : b[0];
        }
        p -= n[0] * g;
    });
}

// Numbers: lr / (1 - beta1^t), sqrt(1 - beta2^t), and what the weight decay leaves of p.
template <int STATES>
__device__ __forceinline__ void adam_of(const Table<STATES>& table, const wide* numbers,
                                        const bool* found_inf, wide one_minus_beta1, wide beta2,
                                        wide one_minus_beta2, wide eps, wide weight_decay,
                                        bool maximize) {
    for_each_element(table, numbers, found_inf, [=](wide& p, wide g, wide* s, const wide* n) {
        if (maximize) g = -g;
        p *= n[2];
        if (weight_decay != 0) g += weight_decay * p;
        s[0] += one_minus_beta1 * (g - s[0]);
        s[1] = beta2 * s[1] + one_minus_beta2 * g * g;
        wide v = s[1];
        if (STATES == 3) {
            wide& largest = s[STATES - 1];
            if (v > largest || v != v) largest = v;
            v = largest;
        }
        p -= n[0] * s[0] / (sqrt(v) / n[1] + eps);
    });
}

extern "C" __global__ void adam(const __grid_constant__ Table<2> table, const wide* numbers,
                                const bool* found_inf, wide one_minus_beta1, wide beta2,
                                wide one_minus_beta2, wide eps, wide weight_decay, bool maximize) {
    adam_of(table, numbers, found_inf, one_minus_beta1, beta2, one_minus_beta2, eps, weight_decay,
            maximize);
}

extern "C" __global__ void amsgrad(const __grid_constant__ Table<3> table, const wide* numbers,
                                   const bool* found_inf, wide one_minus_beta1, wide beta2,
                                   wide one_minus_beta2, wide eps, wide weight_decay,
                                   bool maximize) {
    adam_of(table, numbers, found_inf, one_minus_beta1, beta2, one_minus_beta2, eps, weight_decay,
            maximize);
}

// Numbers: lr at this step.
extern "C" __global__ void adagrad(const __grid_constant__ Table<1> table, const wide* numbers,
                                   const bool* found_inf, wide eps, wide weight_decay,
                                   bool maximize) {
    for_each_element(table, numbers, found_inf, [=](wide& p, wide g, wide* s, const wide* n) {
        if (maximize) g = -g;
        if (weight_decay != 0) g += weight_decay * p;
        s[0] += g * g;
        p -= n[0] * g / (sqrt(s[0]) + eps);
    });
}

// Numbers: lr. The states: mean square, mean gradient, velocity.
extern "C" __global__ void rmsprop(const __grid_constant__ Table<3> table, const wide* numbers,
                                   const bool* found_inf, wide alpha, wide one_minus_alpha,
                                   wide eps, wide weight_decay, wide momentum, bool centered,
                                   bool maximize) {
    for_each_element(table, numbers, found_inf, [=](wide& p, wide g, wide* s, const wide* n) {
        if (maximize) g = -g;
        if (weight_decay != 0) g += weight_decay * p;
        s[0] = alpha * s[0] + one_minus_alpha * g * g;
        wide square = s[0];
        if (centered) {
            s[1] += one_minus_alpha * (g - s[1]);
            square -= s[1] * s[1];
        }
        wide step = g / (sqrt(square) + eps);
        if (momentum > 0) step = s[2] = momentum * s[2] + step;
        p -= n[0] * step;
    });
}

// Put the parameters' numbers of steps side by side, be they on the device or given in the launch.
struct Counts {
    const float* at[ROOM / 12];  // null for one that is given
    float value[ROOM / 12];
};
extern "C" __global__ void gather(const __grid_constant__ Counts from, double* to, int count) {
    FOR_EACH(i, count) to[i] = from.at[i] ? *from.at[i] : from.value[i];
}
