"""The image corruptions of ImageNet-C and CIFAR-10/100-C, computed in memory.

`corrupt.corrupt` takes an image, a name, a severity and a generator; `draws.draws` makes the
generator of one (seed, image, name, severity). `names` and `levels` import nothing heavy.

Source: Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations (arXiv 1903.12261); constants and definitions as in hendrycks/robustness
(``create_c/make_imagenet_c.py``, ``create_c/make_cifar_c.py``). Equal random numbers give the bytes
of those definitions, truncation to 8 bits included. What differs, and why:

* The random numbers are those of a `numpy.random.Generator` for each image. The originals used
  numpy's global state, unseeded, so no one can draw the numbers of the published sets again.
* ``impulse_noise`` draws as today's scikit-image does: two uniform numbers for each value.
* ``motion_blur`` and ``snow`` do without ImageMagick. The line blur here gives the 8-bit values of
  MagickMotionBlurImage 6.9.11 (Q16); rewrites that truncate instead are one level lower for about
  half of the values.
* ``glass_blur`` copies a neighbour, as the original does although it means to swap: it
  exchanges numpy views of one array, where only the first of the two assignments has an effect.
* ``frost`` needs five pictures that come without a licence: `frost.FrostPictures` reads them from a
  folder or stands in for them, and its version says which.
* ``spatter`` leaves an image unchanged on which no drop falls, as small ones may be; the original
  divides 0 by 0 there.
* ``elastic_transform`` smooths its displacements in the frequency domain: equal up to 1e-12 pixels,
  and tens of times faster at severity 1.
* Warping, edges, filters and JPEG are those of the OpenCV, scipy and Pillow that are installed, not
  of 2018.
* The originals work on 224x224 (32x32) pixels alone. Any other size takes the same constants, in
  pixels; crops follow both sides, and the fog's map is the next power of two.
* The published ImageNet-C is a set of JPEG files of quality 85; `digital.jpeg_round_trip` adds
  that step. Values in memory and from the files are different benchmarks.
"""
