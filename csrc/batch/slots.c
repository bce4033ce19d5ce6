/* slots.c -- slots of one memory: which are free, which are in a batch, and in
 * whose room their packets lie. */
#include "slots.h"

#include <string.h>

/* The numbers of free slots lie in a ring. At its end are those whose room was
 * used last, which a cache may have yet; at its beginning those of packets that
 * lay in the room of others, to be used for such again. */
static uint32_t *spare(struct pool *pool, uint32_t i)
{
	i += pool->first;
	return &pool->of[i < pool->slots ? i : i - pool->slots].free;
}

static uint32_t take_last(struct pool *pool)
{
	return *spare(pool, --pool->unused);
}

static uint32_t take_first(struct pool *pool)
{
	uint32_t number = *spare(pool, 0);

	pool->first = pool->first + 1 < pool->slots ? pool->first + 1 : 0;
	pool->unused--;
	return number;
}

/* A slot is free when nobody needs it. */
static void release(struct pool *pool, uint32_t number)
{
	if (--pool->of[number].users)
		return;
	if (pool->of[number].home != number) {
		pool->first = (pool->first ? pool->first : pool->slots) - 1;
		*spare(pool, 0) = number;
		pool->unused++;
	} else {
		*spare(pool, pool->unused++) = number;
	}
}

static void discard(struct pool *pool, uint32_t number)
{
	if (pool->of[number].home != number)
		release(pool, pool->of[number].home);
	release(pool, number);
}

/* The metadata of a slot that is in use from now on, for place i of the list.
 */
static struct slot *enlist(struct batch *batch, uint32_t i, uint32_t number)
{
	struct pool *pool = batch->pool;
	struct slot *slot = memset(slot_meta(pool, number), 0, sizeof(*slot));

	pool->of[number].home = number;
	pool->of[number].users = 1;
	batch->list[i] = number;
	slot->at = number * pool->stride + SLOT_META + pool->headroom;
	return slot;
}

struct slot *slots_occupy(struct batch *batch, uint32_t i)
{
	return enlist(batch, i, take_last(batch->pool));
}

struct slot *slots_append(struct batch *batch)
{
	return slots_has_room(batch) ? slots_occupy(batch, batch->count++)
				     : NULL;
}

void slots_withdraw(struct batch *batch)
{
	discard(batch->pool, batch->list[--batch->count]);
}

struct slot *slots_append_within(struct batch *batch, uint32_t i)
{
	struct pool *pool = batch->pool;
	uint32_t home = pool->of[batch->list[i]].home, number;

	if (!slots_has_room(batch))
		return NULL;
	number = take_first(pool);
	pool->of[home].users++;
	enlist(batch, batch->count++, number);
	pool->of[number].home = home;
	return slot_meta(pool, number);
}

/* Where the i-th packet lies in the room of its own slot; false when it lies
 * elsewhere. */
static bool is_at_home(const struct batch *batch, uint32_t i,
		       const unsigned char *bytes, size_t *at)
{
	const struct pool *pool = batch->pool;
	uint32_t number = batch->list[i];
	size_t room = (size_t)number * pool->stride + SLOT_META;

	*at = (size_t)(bytes - pool->bytes) - room;
	return pool->of[number].home == number &&
	       *at <= pool->stride - SLOT_META;
}

size_t slots_headroom(const struct batch *batch, uint32_t i,
		      const unsigned char *bytes)
{
	size_t at;

	return is_at_home(batch, i, bytes, &at) ? at : 0;
}

size_t slots_tailroom(const struct batch *batch, uint32_t i,
		      const unsigned char *bytes)
{
	const struct pool *pool = batch->pool;
	size_t at;

	return is_at_home(batch, i, bytes, &at) &&
			       pool->of[batch->list[i]].users == 1
		       ? pool->stride - SLOT_META - at
		       : 0;
}

void slots_compact(struct batch *batch)
{
	uint32_t i, kept = 0;

	for (i = 0; i < batch->count; i++) {
		if (slots_get(batch, i))
			batch->list[kept++] = batch->list[i];
		else if (batch->list[i] != NO_SLOT)
			discard(batch->pool, batch->list[i]);
	}
	batch->count = kept;
}

void slots_clear(struct batch *batch)
{
	uint32_t i;

	for (i = 0; i < batch->count; i++)
		if (batch->list[i] != NO_SLOT)
			discard(batch->pool, batch->list[i]);
	batch->count = 0;
}
