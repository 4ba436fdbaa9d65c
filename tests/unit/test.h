/* tests/unit/test.h - what every unit test includes first: cmocka needs these before it. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
