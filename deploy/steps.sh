# shellcheck shell=bash
# What ./try and ./check share: steps of one line each, with their seconds and a log. Sourced at the root of the tree.
log_folder=build/log
step_width=38
step_child=

# Nobody's settings but ours: another server's variables, a proxy before our own machine, a foreign language.
prepare() {
	unset "${!PG@}" "${!DROVER_@}" DATABASE_URL ANTHROPIC_API_KEY MAKEFLAGS
	export LC_ALL=C.UTF-8 no_proxy="127.0.0.1,localhost${no_proxy:+,$no_proxy}"
	export NO_PROXY=$no_proxy
	mkdir -p "$log_folder"
	trap 'stop 130' INT
	trap 'stop 143' TERM
	trap 'stop 129' HUP
}

# The step has a process group of its own: a signal reaches us, and we end all of it.
stop() {
	trap '' INT TERM HUP
	set +e
	if [ -n "$step_child" ]; then
		kill -TERM -- "-$step_child" 2>/dev/null
		for _ in {1..100}; do
			kill -0 -- "-$step_child" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$step_child" 2>/dev/null
	fi
	echo "stopped" >&2
	exit "$1"
}

# TITLE COMMAND...: true when the command is. Its output is in $step_log.
step() {
	local title=$1 began=$SECONDS status=0
	shift
	step_log=$log_folder/${title// /-}.log
	printf '%-*s' "$step_width" "$title"
	set -m
	"$@" </dev/null >"$step_log" 2>&1 &
	step_child=$!
	set +m
	wait "$step_child" || status=$?
	step_child=
	step_seconds=$((SECONDS - began))
	return "$status"
}

# The same for a step without which there is no next one.
must() {
	if step "$@"; then
		printf '%5d s\n' "$step_seconds"
	else
		printf '%5d s  failed\n' "$step_seconds"
		tail -n 40 "$step_log" >&2
		echo "all of it: $step_log" >&2
		return 1
	fi
}

# GROUP...: in the foreground, so that sudo can ask for a password.
packages() {
	local began=$SECONDS missing
	missing=$(deploy/need --list "$@")
	[ -n "$missing" ] || return 0
	echo "installing ${missing//$'\n'/ }"
	if ! deploy/need "$@" >"$log_folder/packages.log" 2>&1; then
		tail -n 40 "$log_folder/packages.log" >&2
		echo "all of it: $log_folder/packages.log" >&2
		return 1
	fi
	printf '%-*s%5d s\n' "$step_width" "packages" $((SECONDS - began))
}

# FOLDER [OPTION of meson]...: what was set up before is kept.
configure() {
	local folder=$1
	shift
	[ -f "$folder/build.ninja" ] || meson setup "$folder" "$@"
}

build() { # FOLDER TARGET... -- [OPTION of meson]...
	local folder=$1 targets=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		targets+=("$1")
		shift
	done
	configure "$folder" "${@:2}" && ninja -C "$folder" "${targets[@]}"
}
