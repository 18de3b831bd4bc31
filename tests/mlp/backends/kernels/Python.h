/* Stand-in for Python and NumPy, so that the kernels of theano/tuned compile alone and for every processor. */
#pragma once
#include <stdint.h>
#include <string.h>

typedef struct PyObject PyObject;
typedef intptr_t npy_intp;
typedef int32_t npy_int32;
typedef int64_t npy_int64;

static inline PyObject* PySys_GetObject(const char*) { return nullptr; }
static inline int PySys_SetObject(const char*, PyObject*) { return 0; }
static inline PyObject* PyCapsule_New(void* pointer, const char*, void*) { return (PyObject*)pointer; }
static inline void* PyCapsule_GetPointer(PyObject* capsule, const char*) { return capsule; }
static inline void PyErr_Clear() {}
#define Py_DECREF(object) (void)(object)
#define Py_XDECREF(object) (void)(object)
