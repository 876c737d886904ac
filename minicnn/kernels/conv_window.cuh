// Where windows stand, for every kernel of a convolution.

constexpr int FAR = -(1 << 28);  // a row outside every image, also after a tap is added

// One axis: sizes of the source (what windows look at) and the target (what is computed for each),
// taps of the window, and the zeros before the source; negative, if it is cropped.
struct Window {
    int source, target, taps, stride, before, dilation;
};

// Everything but the arrays. `from` and `to` are channels of a group, in the source and the target.
// The filters F of all groups count apart. Strides count numbers, in the order N, H, W, C: those of
// the source, and of the other image there is.
struct Convolution {
    Window rows, columns;
    int images, from, to, groups, splits, filters, stride[4], other_stride[4];
};
