std = "max"
max_line_length = 100
exclude_files = { "build" }
include_files = { "**/*.lua", "rockspec/*.rockspec", ".luacheckrc", ".busted" }
files["rockspec"].std = "+rockspec"
files[".luacheckrc"].std = "+luacheckrc"
files["spec/*_spec.lua"].std = "+busted"
