/*
 * Monitoring: health, metrics, documentation and what this server says about itself. Reads only;
 * keeps nothing. Every flag that it shows is the result of a check made for that answer.
 */
#ifndef DOMAIN_MONITORING_H
#define DOMAIN_MONITORING_H

#include "engine/endpoint.h"

extern const struct module monitoring_module;

#endif
