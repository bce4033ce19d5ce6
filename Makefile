# The Lua to build for and to run: luajit, lua5.1, lua5.2, lua5.3 or lua5.4.
LUA = luajit
# The Luas that `make test` goes through, and the specs it runs.
LUAS = luajit lua5.1 lua5.4
SPEC = spec

PREFIX = /usr/local
CFLAGS = -O2 -Wall -Wextra -Wshadow
FLAGS = -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden \
	$(or $(shell pkg-config --cflags $(LUA) 2>/dev/null), \
	-I/usr/include/$(LUA:luajit=luajit-2.1))

BUILD = build/$(LUA)
MODULE = $(BUILD)/tun/core.so
SOURCES = $(wildcard csrc/*.c csrc/*/*.c)
OBJECTS = $(SOURCES:csrc/%.c=$(BUILD)/%.o)
BENCHSOURCES = $(wildcard spec/bench/*.c)
BENCHES = $(BENCHSOURCES:spec/%.c=build/%)

# Whatever is run from here finds the module of this Lua, child processes too.
export LUA
export LUA_PATH = $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;
export LUA_CPATH = $(CURDIR)/$(BUILD)/?.so;;

.DELETE_ON_ERROR:
.PHONY: all demo run examples test spec asan valgrind lint peers hostile \
	properties soak bench install clean help deps

all: $(MODULE) ## Build the C module (make LUA=lua5.4 for another Lua)
	@mkdir -p csrc/tun && ln -sf ../../$(MODULE) csrc/tun/core.so

$(MODULE): $(OBJECTS)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ -lmnl

$(BUILD)/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

build/bench/%: spec/bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -MMD -MP $(CFLAGS) -o $@ $< -lmnl

-include $(OBJECTS:.o=.d) $(BENCHES:=.d)

demo: run ## Answer the kernel's pings from Lua, in a sandbox

EXAMPLE = ping_responder
example = deps-$(if $(EXAMPLE:ping_responder=),examples,demo)
run: $(example) all ## Run an example (make run EXAMPLE=hello_tap)
	$(LUA) examples/$(EXAMPLE).lua

# $(call specs,Luas,variables): the specs under each Lua; fails if any failed.
define specs
@failed=; for lua in $(1); do printf '\n== %s\n' $$lua; \
$(MAKE) --no-print-directory spec LUA=$$lua $(2) || failed="$$failed $$lua"; \
done; [ -z "$$failed" ] || { echo "specs failed under:$$failed"; exit 1; }
endef

EXAMPLES = ping_responder sniff nat dns_responder ndp_and_ping6 my_protocol \
	two_queues udp_tunnel forward
examples: deps-examples $(MODULE) ## Run those that tell by themselves whether they work
	@for name in $(EXAMPLES); do printf '\n== %s\n' $$name; \
	  timeout 60 $(LUA) examples/$$name.lua || exit 1; done

test: deps-test ## Run the specs under each of LUAS (SPEC=file for one)
	$(call specs,$(LUAS))

# busted's own way to another Lua goes through a shell and a default Lua.
INTERPRETER = $(LUA)
spec: $(MODULE)
	@$(INTERPRETER) "$$(command -v busted)" --ignore-lua \
		--cpath='$(CURDIR)/$(BUILD)/?.so' $(SPEC)

SANITIZE = -g -O1 -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined

asan: deps-asan $(addprefix build/asan/bin/,luajit lua5.4)
asan: ## Run the specs with the module under ASan and UBSan
	$(call specs,luajit lua5.4,BUILD=build/asan/$$lua CFLAGS='$(SANITIZE)' \
		INTERPRETER=$(CURDIR)/build/asan/bin/$$lua)

# A Lua that loads the sanitizer first. LD_PRELOAD would do so as well in ip(8)
# and all else that the specs run.
build/asan/bin/%:
	@mkdir -p $(@D)
	cp "$$(command -v $*)" $@
	patchelf --add-needed "$$($(CC) -print-file-name=libasan.so)" $@

valgrind: deps-valgrind ## Run the specs with Lua 5.4 under valgrind
	$(call specs,lua5.4,INTERPRETER='valgrind -q --sim-hints=lax-ioctls \
		--error-exitcode=1 --leak-check=full lua5.4')

lint: deps-lint ## Check style and run the compilers and checkers, strictly
	luacheck -q .
	clang-format --dry-run -Werror $(wildcard csrc/*.[ch] csrc/*/*.[ch] \
	  spec/bench/*.[ch])
	lua5.4 -e 'dofile "rockspec/tun-scm-1.rockspec"' \
		-e 'sources = build.modules["tun.core"].sources' \
		-e 'table.sort(sources)' \
		-e 'listed = table.concat(sources, " ")' \
		-e 'assert(listed == "$(sort $(SOURCES))", "rockspec: sources")'
	printf '%s\n' $(SOURCES) $(BENCHSOURCES) | xargs -P 4 -I{} \
		clang-tidy --quiet {} -- $(FLAGS) 2>/dev/null
	for cc in gcc clang; do \
	  $$cc $(FLAGS) $(CFLAGS) -Werror -fsyntax-only $(BENCHSOURCES) || exit 1; \
	  for lua in luajit lua5.1 lua5.2 lua5.3 lua5.4; do \
	    $(MAKE) -s -j2 build/lint/$$cc/$$lua/tun/core.so CC=$$cc LUA=$$lua \
	      BUILD=build/lint/$$cc/$$lua CFLAGS='$(CFLAGS) -Werror' || exit 1; \
	  done; \
	done

# Another seed on every day: what it finds is told with the seed.
SEED = $(shell date +%Y%m%d)
COUNT = 2000

peers: deps-peers ## Compare packets with scapy and tshark (SEED=, COUNT=)
	@spec/peers/run.sh $(SEED) $(COUNT) $(LUAS)

hostile: COUNT = 1000000
hostile: deps-test ## Put random and mutated packets through all (SEED=, COUNT=)
	@for lua in $(LUAS); do $(MAKE) -s build/$$lua/tun/core.so LUA=$$lua && \
	  export LUA_CPATH='$(CURDIR)'/build/$$lua/?.so && \
	  $$lua spec/packet/hostile.lua $(SEED) $(COUNT) && \
	  $$lua spec/batch/hostile.lua $(SEED) $$(( $(COUNT) / 100 )) || exit 1; done

properties: COUNT = 100000
properties: deps-test ## Join and split random flows (SEED=, COUNT=)
	@for lua in $(LUAS); do $(MAKE) -s build/$$lua/tun/core.so LUA=$$lua && \
	  LUA_CPATH='$(CURDIR)'/build/$$lua/?.so \
	  $$lua spec/batch/coalesce.lua $(SEED) $(COUNT) || exit 1; done

soak: SECONDS = 60
soak: deps-soak $(MODULE) ## Carry TCP: nothing lost or leaked (SECONDS=)
	$(LUA) spec/soak.lua $(SECONDS)

bench: deps-bench $(MODULE) $(BENCHES) ## Compare with C and ip (ONLY=pattern)
	@for lua in lua5.1 lua5.4; do \
	  $(MAKE) -s LUA=$$lua build/$$lua/tun/core.so || exit 1; done
	$(LUA) spec/bench/run.lua '$(ONLY)'

version = $(shell $(LUA) -e 'print(_VERSION:match "%d.%d")')
install: $(MODULE) ## Install under PREFIX (/usr/local), for LUA
	install -d $(DESTDIR)$(PREFIX)/share/lua/$(version)
	cp -r lua/tun $(DESTDIR)$(PREFIX)/share/lua/$(version)/
	install -D $(MODULE) $(DESTDIR)$(PREFIX)/lib/lua/$(version)/tun/core.so

clean: ## Remove everything that was built
	rm -rf build csrc/tun csrc/*.o csrc/*/*.o tun

help: ## Show this
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

lua = $(if $(filter luajit,$(1)),luajit libluajit-5.1-dev, \
	$(1) lib$(1:lua5.1=lua5.1-0)-dev)
packages-demo = gcc libc6-dev libmnl-dev iproute2 iputils-ping \
	$(call lua,$(LUA))
packages-bench = $(packages-demo) $(call lua,lua5.1) $(call lua,lua5.4)
packages-test = $(packages-demo) $(foreach l,$(LUAS),$(call lua,$(l))) \
	lua-busted lua-socket lua-copas lua-cqueues lua-luv python3
packages-soak = $(packages-demo) iperf3
packages-asan = $(packages-test) patchelf
packages-valgrind = $(packages-test) valgrind
packages-examples = $(packages-soak) bind9-dnsutils curl python3
packages-peers = $(packages-test) python3-scapy tshark
packages-lint = $(packages-demo) lua-check clang clang-format clang-tidy \
	$(foreach v,5.1 5.2 5.3 5.4,$(call lua,lua$(v)))

deps: deps-test deps-lint ## Install the Debian packages that are missing

deps-%:
	@command -v dpkg-query >/dev/null || exit 0; \
	missing=; for package in $(sort $(packages-$*)); do \
	  dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | \
	    grep -q '^installed' || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] && exit; \
	[ "$$(id -u)" = 0 ] || sudo=sudo; \
	install="env DEBIAN_FRONTEND=noninteractive \
	  apt-get install -qy --no-install-recommends $$missing"; \
	echo "installing$$missing"; \
	$$sudo $$install || { $$sudo apt-get update && $$sudo $$install; }
