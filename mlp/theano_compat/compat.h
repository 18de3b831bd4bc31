/* Prepended (g++ -include) to every C++ file that Theano 1.0.5 generates, if NumPy is 2.0 or newer. */
#pragma once
#if __has_include(<Python.h>)   /* Theano's probes of the compiler run without Python's include folder */
#define NPY_TARGET_VERSION 0x00000012 /* NPY_2_0_API_VERSION: PyArray_DESCR(x)->elsize is a field again */
#include <Python.h>
#include <numpy/arrayobject.h>
/* NumPy 1 had these in npy_3kcompat.h, which NumPy 2 no longer installs. */
#define NPY_PY3K 1
#define PyInt_Check PyLong_Check
#define PyInt_AsLong PyLong_AsLong
#define PyInt_AS_LONG PyLong_AsLong
#define PyInt_FromLong PyLong_FromLong
/* Theano uses NPY_MAXDIMS only for axis=None, which is NPY_RAVEL_AXIS in NumPy 2. */
#undef NPY_MAXDIMS
#define NPY_MAXDIMS NPY_RAVEL_AXIS
#endif
