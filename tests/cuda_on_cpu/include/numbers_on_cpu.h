// The number types of CUDA that C++ lacks: float16 and bfloat16, in software.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

template <class To, class From>
inline To bits_as(From v) {
    static_assert(sizeof(To) == sizeof(From));
    To w;
    memcpy(&w, &v, sizeof w);
    return w;
}

// v rounded to `kept` explicit bits of significand, to nearest and ties to even.
inline float rounded(float v, int kept) {
    unsigned u = bits_as<unsigned>(v);
    if ((u & 0x7f800000u) == 0x7f800000u) return v;
    const int drop = 23 - kept;
    u += (1u << (drop - 1)) - 1 + (u >> drop & 1);
    return bits_as<float>(u >> drop << drop);
}

struct __half {
    uint16_t bits;
    __half() = default;
    __half(float v) {
        const unsigned sign = bits_as<unsigned>(v) >> 16 & 0x8000u;
        const float size = std::fabs(v);
        if (std::isnan(v)) bits = sign | 0x7e00u;
        else if (size >= 65520.0f) bits = sign | 0x7c00u;
        else if (size < 6.103515625e-05f) bits = sign | (unsigned)std::nearbyint(size * 16777216.0f);
        else bits = sign | (bits_as<unsigned>(rounded(size, 10)) - 0x38000000u) >> 13;
    }
    __half(double v) : __half((float)v) {}
    operator float() const {
        const unsigned sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31, rest = bits & 1023;
        if (exponent == 31) return bits_as<float>(sign | 0x7f800000u | rest << 13);
        if (exponent) return bits_as<float>(sign | (exponent + 112) << 23 | rest << 13);
        return bits_as<float>(sign | bits_as<unsigned>(rest * 5.9604644775390625e-08f));
    }
};

struct __nv_bfloat16 {
    uint16_t bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(float v)
        : bits(std::isnan(v) ? 0x7fff : bits_as<unsigned>(rounded(v, 7)) >> 16) {}
    operator float() const { return bits_as<float>((unsigned)bits << 16); }
};

inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }
