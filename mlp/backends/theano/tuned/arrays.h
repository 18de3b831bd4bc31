/* NumPy arrays of the operations: C-contiguous, with outputs that reuse the memory of the last call. */

/* Returns 1 if `array` is C-contiguous; otherwise 0 with a ValueError that names it. */
static int require_contiguous(PyArrayObject* array, const char* name) {
    if (PyArray_IS_C_CONTIGUOUS(array)) return 1;
    PyErr_Format(PyExc_ValueError, "%s must be C-contiguous: give np.ascontiguousarray of it", name);
    return 0;
}

/* Makes *output a C-contiguous array of this shape and type; returns 1, or 0 with MemoryError. */
static int provide_output(PyArrayObject** output, int ndim, npy_intp* shape, int type) {
    PyArrayObject* old = *output;
    if (old && PyArray_NDIM(old) == ndim && PyArray_TYPE(old) == type && PyArray_IS_C_CONTIGUOUS(old) &&
        PyArray_CompareLists(PyArray_DIMS(old), shape, ndim))
        return 1;
    Py_XDECREF(old);
    *output = (PyArrayObject*)PyArray_EMPTY(ndim, shape, type, 0);
    return *output != NULL;
}

/* Makes *output `input` itself, to be overwritten, or a copy of it; returns 1, or 0 with MemoryError. */
static int take_over(PyArrayObject** output, PyArrayObject* input, bool in_place) {
    if (*output == input) return 1;
    if (in_place) {
        Py_XDECREF(*output);
        Py_INCREF(input);
        *output = input;
        return 1;
    }
    return provide_output(output, PyArray_NDIM(input), PyArray_DIMS(input), PyArray_TYPE(input)) &&
           PyArray_CopyInto(*output, input) == 0;
}

template <class T>
static T* data(PyArrayObject* array) {
    return (T*)PyArray_DATA(array);
}
