/* core/route.h - which route a request takes, and with it which service it is for. Pure. */
#pragma once
#include "board/plan.h"

enum { HF_ROUTE_NONE = -1 };

/* host: lower case, without port; path: normal form, without query. The routes of the host come
 * first, then those without a host; among each the longest prefix that ends at a segment's border
 * wins. Returns the route's index or HF_ROUTE_NONE. */
int hf_route_find(const struct hf_plan *plan, struct hf_str host, struct hf_str path);
