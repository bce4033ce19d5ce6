# The Lua to build for and to run: luajit, lua5.1, lua5.2, lua5.3 or lua5.4.
LUA = luajit
# The Luas that `make test` goes through, and the specs it runs.
LUAS = luajit lua5.1 lua5.4
SPEC = spec

# What `make dist` makes: the one place that tells the version.
VERSION = 0.1.0

PREFIX = /usr/local
CFLAGS = -O2 -Wall -Wextra -Wshadow
LIBFLAG = -shared
# The folder of lua.h, for a Lua that is not Debian's (make test LUAS=lua5.5).
LUA_INCDIR =
FLAGS = -std=c11 -D_GNU_SOURCE -fPIC $(or $(LUA_INCDIR:%=-I%), \
	$(shell pkg-config --cflags $(LUA) 2>/dev/null), \
	-I/usr/include/$(LUA:luajit=luajit-2.1)) $(HARDENING)

# What stops an overflow from being used, of what compiler and linker have.
# Looked for once, when something is compiled.
HARDENING = $(eval HARDENING := $(call has,-fstack-protector-strong) \
	$(call has,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))$(HARDENING)
LDHARDENING = $(if $(HARDENING),$(call has,$(RELRO)))
RELRO = -Wl,-z,relro,-z,now
has = $(shell $(CC) $(CFLAGS) -Werror -fPIC -shared $(1) -include string.h \
	-x c -o /dev/null /dev/null 2>/dev/null && echo '$(1)')

BUILD = build/$(LUA)
MODULE = $(BUILD)/tun/core.so
# For the specs alone: csrc/wire without devices and batches.
SPECMODULE = $(BUILD)/tun/spec.so
SPECSOURCES = $(wildcard spec/core/*.c)
SPECOBJECTS = $(SPECSOURCES:spec/%.c=$(BUILD)/spec/%.o)
FAULT = $(BUILD)/fault.so
SOURCES = $(wildcard csrc/*.c csrc/*/*.c)
OBJECTS = $(SOURCES:csrc/%.c=$(BUILD)/%.o)
BENCHSOURCES = $(wildcard spec/bench/*.c)
BENCHES = $(BENCHSOURCES:spec/%.c=build/%)
FUZZSOURCES = $(wildcard spec/fuzz/*.c)

# Whatever is run from here finds the module of this Lua, child processes too,
# and can compile another one.
export LUA BUILD FLAGS
export LUA_PATH = $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;
export LUA_CPATH = $(CURDIR)/$(BUILD)/?.so;;

.DELETE_ON_ERROR:
.PHONY: all module objects demo run examples test spec asan coverage valgrind \
	lint rock peers hostile fuzz fuzzers inject starve starving properties \
	soak bench dist install uninstall clean help deps

all: module ## Build the C module (make LUA=lua5.4 for another Lua)
	@mkdir -p csrc/tun && ln -sf ../../$(MODULE) csrc/tun/core.so

module: $(MODULE)
objects: $(OBJECTS)

$(MODULE): $(OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(LIBFLAG) $(CFLAGS) $(LDHARDENING) $(LDFLAGS) -o $@ $^ -lmnl -lm

$(SPECMODULE): $(SPECOBJECTS) $(OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(LIBFLAG) $(CFLAGS) $(LDHARDENING) $(LDFLAGS) -o $@ $^ -lmnl -lm

$(BUILD)/spec/core/%.o: spec/core/%.c | $(BUILD)/headers
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/%.o: csrc/%.c | $(BUILD)/headers
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP $(CPPFLAGS) $(CFLAGS) $(QUIET) -c -o $@ $<

# libmnl's loops convert silently.
$(BUILD)/netlink/ack.o: QUIET = -Wno-conversion

# The compiler's "No such file" does not tell what to install.
$(BUILD)/headers:
	@mkdir -p $(@D)
	@fail() { echo "no $$*" >&2; exit 1; }; \
	has() { echo "#include <$$1>" | \
	  $(CC) $(FLAGS) $(CPPFLAGS) -E -o /dev/null - 2>/dev/null; }; \
	need() { has $$1 || fail "$$1: it is in Debian's package $$2"; }; \
	command -v $(firstword $(CC)) >/dev/null || \
	  fail "$(firstword $(CC)): Debian's package gcc has a compiler"; \
	need stdio.h libc6-dev; \
	need linux/if_tun.h linux-libc-dev; \
	need libmnl/libmnl.h libmnl-dev; \
	$(if $(LUA_INCDIR),has lauxlib.h || fail "lauxlib.h in $(LUA_INCDIR)", \
	  need lauxlib.h $(lastword $(call debian,$(LUA))))
	@touch $@

build/bench/%: spec/bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -MMD -MP $(CFLAGS) -o $@ $< -lmnl -lm

# A target of fuzzing: it runs the files that are its arguments, or, with
# MAIN=-fsanitize=fuzzer, looks for such. Scripts share a program, which goes by
# its name, and have system calls that are faked.
MAIN = $(BUILD)/fuzz/replay.o
HELPERS = replay script system
FUZZED = $(filter-out $(HELPERS),$(basename $(notdir $(FUZZSOURCES))))
SCRIPTED = $(filter-out seeds,$(basename $(notdir $(wildcard spec/fuzz/*.lua))))
FAKED = open read write writev ioctl ppoll recvmmsg sendmmsg sendto
LIBLUA = $(or $(LUA_INCDIR:%=-L%/../lib -llua -lm -ldl), \
	$(shell pkg-config --libs $(LUA) 2>/dev/null),-l$(LUA))

fuzzers: $(addprefix $(BUILD)/fuzz/,$(FUZZED) $(SCRIPTED))

$(BUILD)/fuzz/%.o: spec/fuzz/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP $(CFLAGS) -c -o $@ $<

$(FUZZED:%=$(BUILD)/fuzz/%): %: %.o $(OBJECTS) $(filter %.o,$(MAIN))
	$(CC) $(CFLAGS) $(filter-out %.o,$(MAIN)) -o $@ $^ $(LIBLUA) -lmnl -lm

$(BUILD)/fuzz/script: $(BUILD)/fuzz/system.o $(SPECOBJECTS)
$(BUILD)/fuzz/script: %: %.o $(OBJECTS) $(filter %.o,$(MAIN))
	$(CC) $(CFLAGS) $(filter-out %.o,$(MAIN)) $(FAKED:%=-Wl,--wrap=%) \
		-o $@ $^ $(LIBLUA) -lmnl -lm

$(SCRIPTED:%=$(BUILD)/fuzz/%): $(BUILD)/fuzz/script
	@ln -sf script $@

-include $(wildcard $(BUILD)/fuzz/*.d)
-include $(OBJECTS:.o=.d) $(SPECOBJECTS:.o=.d) $(BENCHES:=.d)

demo: run ## Answer the kernel's pings from Lua, in a sandbox

EXAMPLE = ping_responder
example = deps-$(if $(EXAMPLE:ping_responder=),examples,demo)
run: $(example) all ## Run an example (make run EXAMPLE=hello_tap)
	$(LUA) examples/$(EXAMPLE).lua

# $(call specs,Luas,variables): the specs under each Lua; fails if any failed.
define specs
failed=; for lua in $(1); do printf '\n== %s\n' $$lua; \
$(MAKE) --no-print-directory spec LUA=$$lua $(2) || failed="$$failed $$lua"; \
done; [ -z "$$failed" ] || { echo "specs failed under:$$failed"; exit 1; }
endef

EXAMPLES = ping_responder sniff nat dns_responder ndp_and_ping6 my_protocol \
	two_queues udp_tunnel forward
examples: deps-examples $(MODULE) ## Run those that tell by themselves whether they work
	@for name in $(EXAMPLES); do printf '\n== %s\n' $$name; \
	  timeout 60 $(LUA) examples/$$name.lua || exit 1; done

test: deps-test ## Run the specs under each of LUAS (SPEC=file for one)
	@$(call specs,$(LUAS))

# busted's own way to another Lua goes through a shell and a default Lua.
INTERPRETER = $(LUA)
# A process that is no interpreter.
$(BUILD)/host: spec/host.c
	$(CC) $(FLAGS) $(CFLAGS) -o $@ $< $(LIBLUA) -ldl

spec: $(MODULE) $(SPECMODULE) $(FAULT) $(BUILD)/host fuzzers
	@$(INTERPRETER) "$$(command -v busted)" --ignore-lua \
		--cpath='$(CURDIR)/$(BUILD)/?.so' $(SPEC)

SANITIZE = -g -O1 -DTUN_DEBUG -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZED = BUILD=build/asan/$$lua CFLAGS='$(SANITIZE)' HARDENING= \
	INTERPRETER=$(CURDIR)/build/asan/bin/$$lua

asan: deps-asan $(addprefix build/asan/bin/,luajit lua5.4)
asan: ## Run the specs with the module under ASan and UBSan
	@$(call specs,luajit lua5.4,$(SANITIZED))

# A Lua that loads the sanitizer first. LD_PRELOAD would do so as well in ip(8)
# and all else that the specs run.
build/asan/bin/%:
	@mkdir -p $(@D)
	cp "$$(command -v $*)" $@
	patchelf --add-needed "$$($(CC) -print-file-name=libasan.so)" $@

# LuaJIT takes the paths of the FFI, and Lua 5.4 those without. What is to be
# inlined is not, or each place where it is would count. Processes that gave up
# root write down what they ran, too.
LINES = 97
BRANCHES = 92
coverage: deps-coverage ## What the specs run of csrc/ (LINES=, BRANCHES=: the least)
	rm -rf build/coverage
	@umask 0; $(call specs,luajit lua5.4,BUILD=build/coverage/$$lua HARDENING= \
		CFLAGS='-O0 --coverage -Dalways_inline=unused')
	@lua5.4 spec/coverage.lua build/coverage $(LINES) $(BRANCHES)

valgrind: deps-valgrind ## Run the specs with Lua 5.4 under valgrind
	@$(call specs,lua5.4,INTERPRETER='valgrind -q --sim-hints=lax-ioctls \
		--error-exitcode=1 --leak-check=full lua5.4')

# The headers that are not the C library's; musl-gcc looks nowhere else.
MUSL = build/lint/musl/include
$(MUSL): deps-lint
	@mkdir -p $@
	ln -sfnt $@ $(addprefix /usr/include/,linux asm-generic libmnl) \
	  $(addprefix /usr/include/$(shell gcc -print-multiarch)/,asm \
	  lua5.4-deb-multiarch.h)

# Files of which gcc's analyzer does not know that a packet which was looked at
# is still in its batch, which members a row has, how wide a vector's lanes are.
# clang's analyzer runs in clang-tidy.
UNCERTAIN = csrc/batch/% csrc/netlink/noun.c csrc/udp/receive.c \
	csrc/wire/checksum.c
analyze = printf '%s\n' $(1) | xargs -P 2 -I{} \
	gcc $(FLAGS) $(CFLAGS) -Werror -fanalyzer $(2) -S -o /dev/null {}

lint: deps-lint $(MUSL) ## Check style and run the compilers and checkers, strictly
	luacheck -q .
	clang-format --dry-run -Werror $(wildcard csrc/*.[ch] csrc/*/*.[ch] \
	  spec/*.c spec/bench/*.[ch] spec/core/*.[ch] spec/fuzz/*.[ch] spec/inject/*.c)
	lua5.4 -e 'dofile "$(wildcard rockspec/*.rockspec)"' \
		-e 'line = ("version = %q,"):format(version:match "(.*)-")' \
		-e 'init = io.open "lua/tun/init.lua":read "a"' \
		-e 'assert(init:find(line, 1, true), "lua/tun/init.lua: version")'
	printf '%s\n' $(SOURCES) $(BENCHSOURCES) | xargs -P 4 -I{} \
		clang-tidy --quiet {} -- $(FLAGS) 2>/dev/null
	for cc in gcc clang; do \
	  $$cc $(FLAGS) $(CFLAGS) -Werror -fsyntax-only $(BENCHSOURCES) \
	    $(FUZZSOURCES) || exit 1; \
	  for lua in luajit lua5.1 lua5.2 lua5.3 lua5.4; do \
	    $(MAKE) -s -j2 module CC=$$cc LUA=$$lua BUILD=build/lint/$$cc/$$lua \
	      CFLAGS='$(CFLAGS) -Wconversion -Werror' || exit 1; \
	  done; \
	done
	lua5.4 spec/rooms.lua build/lint/gcc/lua5.4
	$(MAKE) -s -j2 objects CC='musl-gcc -idirafter $(MUSL)' LUA=lua5.4 \
	  BUILD=build/lint/musl \
	  CFLAGS='$(CFLAGS) -Werror -Werror=implicit-function-declaration'
	$(call analyze,$(filter-out $(UNCERTAIN),$(SOURCES)))
	$(call analyze,$(filter $(UNCERTAIN),$(SOURCES)), \
	  -Wno-analyzer-null-dereference -Wno-analyzer-null-argument \
	  -Wno-analyzer-shift-count-overflow)

rock: deps-rock ## Build, install and use the rock with LuaRocks
	spec/rock.sh luajit /usr/include/luajit-2.1
	spec/rock.sh lua5.4 /usr/include/lua5.4

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
	@for lua in $(LUAS); do $(MAKE) -s build/$$lua/tun/core.so build/$$lua/tun/spec.so LUA=$$lua && \
	  LUA_CPATH='$(CURDIR)'/build/$$lua/?.so \
	  $$lua spec/batch/coalesce.lua $(SEED) $(COUNT) || exit 1; done

fuzz: SECONDS = 60
fuzz: deps-fuzz $(MODULE) ## Look for inputs that break it (SECONDS= each, TARGET=)
	@for lua in lua5.4 luajit; do $(MAKE) -s -j2 fuzzers LUA=$$lua CC=clang \
	  BUILD=build/fuzz/$$lua CFLAGS='$(SANITIZE) -fsanitize=fuzzer-no-link' \
	  HARDENING= MAIN=-fsanitize=fuzzer || exit 1; done
	@$(LUA) spec/fuzz/seeds.lua build/fuzz/seeds
	@spec/fuzz/run.sh $(SECONDS) $(TARGET)

soak: SECONDS = 60
soak: deps-soak $(MODULE) ## Carry TCP: nothing lost or leaked (SECONDS=)
	$(LUA) spec/soak.lua $(SECONDS)

# A part of all runs, n of m: each of them is in one.
SLICE = 0/1
search = @$(INTERPRETER) spec/inject/$(1).lua '$(SCENARIO)' $(SLICE)

$(FAULT): spec/inject/fault.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -shared -o $@ $<

inject: deps-test $(MODULE) $(FAULT) ## Fail each system call (SCENARIO=, SLICE=n/m)
	$(call search,inject)

starving: $(MODULE) $(FAULT)
	@printf '%s, ' $(BUILD)
	$(call search,starve)

starve: deps-asan $(addprefix build/asan/bin/,luajit lua5.4)
starve: ## Fail each allocation of Lua, under ASan too (SCENARIO=, SLICE=n/m)
	@for lua in $(LUAS); do $(MAKE) -s starving LUA=$$lua || exit 1; done
	@for lua in luajit lua5.4; do \
	  $(MAKE) -s starving LUA=$$lua $(SANITIZED) || exit 1; done

bench: deps-bench $(MODULE) $(BENCHES) ## Compare with C and ip (ONLY=pattern, CAPTURES=folder)
	@for lua in lua5.1 lua5.4; do \
	  $(MAKE) -s LUA=$$lua build/$$lua/tun/core.so || exit 1; done
	$(LUA) spec/bench/run.lua '$(ONLY)'

version = $(shell $(LUA) -e 'print(_VERSION:match "%d.%d")')
LUADIR = $(PREFIX)/share/lua/$(version)
LIBDIR = $(PREFIX)/lib/lua/$(version)
DOCDIR = $(PREFIX)/share/doc/lua$(version)-tun
install: $(MODULE) ## Install under PREFIX (/usr/local), for LUA
	install -d $(DESTDIR)$(LUADIR)
	cp -r lua/tun $(DESTDIR)$(LUADIR)/
	install -D $(MODULE) $(DESTDIR)$(LIBDIR)/tun/core.so
	install -D -m 644 -t $(DESTDIR)$(DOCDIR) README.md LICENSE

uninstall: ## Remove what install put there
	rm -rf $(DESTDIR)$(LUADIR)/tun $(DESTDIR)$(LIBDIR)/tun $(DESTDIR)$(DOCDIR)

# Of what is committed. URL is the folder where the archive can be fetched.
URL = file://$(CURDIR)/build/dist
release = tun-$(VERSION)
dist: deps-dist ## Make the rockspec and the archive of VERSION (URL=)
	rm -rf build/dist
	mkdir -p build/dist
	git archive --prefix=$(release)/ HEAD | tar -x -C build/dist
	cd build/dist/$(release) && \
	  mv rockspec/tun-scm-1.rockspec rockspec/$(release)-1.rockspec && \
	  sed -i -e 's/version = "scm/version = "$(VERSION)/' \
	    -e 's|git+file://.|$(URL)/$(release).tar.gz|' \
	    lua/tun/init.lua rockspec/$(release)-1.rockspec && \
	  cp rockspec/$(release)-1.rockspec ..
	tar -C build/dist --sort=name --owner=0 --group=0 --numeric-owner \
	  -czf build/dist/$(release).tar.gz $(release)
	rm -r build/dist/$(release)
	@ls build/dist/*

clean: ## Remove everything that was built
	rm -rf build csrc/tun csrc/*.o csrc/*/*.o tun

help: ## Show this
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

lua = $(if $(LUA_INCDIR),,$(call debian,$(1)))
debian = $(if $(filter luajit,$(1)),luajit libluajit-5.1-dev, \
	$(1) lib$(1:lua5.1=lua5.1-0)-dev)
packages-demo = gcc libc6-dev libmnl-dev iproute2 iputils-ping \
	$(call lua,$(LUA))
packages-bench = $(packages-demo) tcpdump $(call lua,lua5.1) $(call lua,lua5.4)
packages-test = $(packages-demo) $(foreach l,$(LUAS),$(call lua,$(l))) \
	lua-busted lua-socket lua-copas lua-cqueues lua-luv python3
packages-soak = $(packages-demo) iperf3
packages-asan = $(packages-test) patchelf
packages-coverage = $(packages-test) $(call lua,lua5.4)
packages-dist = git
packages-fuzz = $(packages-demo) $(call lua,luajit) $(call lua,lua5.4) \
	clang libclang-rt-14-dev
packages-valgrind = $(packages-test) valgrind
packages-examples = $(packages-soak) bind9-dnsutils curl python3
packages-peers = $(packages-test) python3-scapy tshark
packages-rock = $(packages-demo) $(call lua,lua5.4) lua-busted luarocks git
packages-lint = $(packages-demo) lua-check clang clang-format clang-tidy \
	musl-tools $(foreach v,5.1 5.2 5.3 5.4,$(call lua,lua$(v)))

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
