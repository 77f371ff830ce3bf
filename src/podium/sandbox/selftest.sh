# Hostile probes, run inside a sandbox. Prints "promise<TAB>what happened" for each one that is not kept, then "done".
# Given: TOKEN, W (a writable folder), CANARY (a host file), WRITE_TO (folders that must refuse), READ_ONLY, HIDDEN,
# VARIABLES (names that may show in an environment), PORT, PID_NAMESPACE, NET_NAMESPACE.
broken() { printf '%s\t%s\n' "$1" "$2"; }

for file in "$CANARY" "/proc/1/root$CANARY" "/proc/self/root$CANARY"; do
  { IFS= read -r line <"$file"; } 2>/dev/null && broken read "read $file"
done
ln -s "$CANARY" "$W/link" 2>/dev/null
{ IFS= read -r line <"$W/link"; } 2>/dev/null && broken read "read $CANARY through a link"

for fd in /proc/[0-9]*/fd/*; do
  # From an open folder of the host, ".." leads out. One that was open for a moment, such as bash's own, has no link.
  target=$(readlink "$fd") || continue
  [[ -d $fd && $target != /proc/* ]] && broken read "found the open folder $target"
done

for folder in "${WRITE_TO[@]}"; do
  { : >"$folder/podium-$TOKEN"; } 2>/dev/null && broken write "wrote into $folder" && rm -f "$folder/podium-$TOKEN"
done
{ : >"$READ_ONLY/podium-$TOKEN"; } 2>/dev/null && broken read_only "wrote into $READ_ONLY" && rm -f "$READ_ONLY/podium-$TOKEN"
for file in "$HIDDEN"/*; do [[ -e $file ]] && broken data "saw $file"; done

for process in /proc/[0-9]*; do
  while IFS= read -r -d '' word; do
    [[ $word == *"$TOKEN"* ]] || continue
    broken processes "saw process ${process#/proc/} of the host"
    kill -9 "${process#/proc/}" 2>/dev/null && broken processes "killed process ${process#/proc/} of the host"
  done 2>/dev/null <"$process/cmdline"
  while IFS= read -r -d '' variable; do
    [[ " $VARIABLES " == *" ${variable%%=*} "* ]] || { broken environment "saw the variable ${variable%%=*}"; break; }
  done 2>/dev/null <"$process/environ"
done 2>/dev/null
[[ $(readlink /proc/self/ns/pid) == "$PID_NAMESPACE" ]] && broken processes "shares the host's process numbers"

( exec 3<>"/dev/tcp/127.0.0.1/$PORT" ) 2>/dev/null && broken network "connected to a server on the host"
while read -r _ _ _ _ _ _ _ name; do
  [[ $name == *"$TOKEN"* ]] && broken network "saw an abstract socket of the host"
done 2>/dev/null </proc/net/unix
[[ $(readlink /proc/self/ns/net) == "$NET_NAMESPACE" ]] && broken network "shares the host's network"

for setting in kernel/core_pattern kernel/modprobe vm/overcommit_memory; do
  # Writes back what is there: harmless where the promise is broken.
  { read -r value <"/proc/sys/$setting" && printf '%s\n' "$value" >"/proc/sys/$setting"; } 2>/dev/null &&
    broken settings "could write /proc/sys/$setting"
done
for file in /proc/kpagecount /proc/vmallocinfo /proc/slabinfo; do
  [[ -n $(head -c 1 "$file" 2>/dev/null | od -An -c) ]] && broken settings "read $file"
done

: >"$W/tool"
for mode in 4755 2755 6755; do
  chmod "$mode" "$W/tool" 2>/dev/null && broken setuid "made a file of mode $mode" && chmod 0755 "$W/tool"
done
mkdir -m 2755 "$W/group" 2>/dev/null && [[ -g $W/group ]] && broken setuid "made a folder of mode 2755"

unshare -U true 2>/dev/null && broken namespaces "made a user namespace"
mkdir -p "$W/mount" && mount -t tmpfs none "$W/mount" 2>/dev/null && broken namespaces "mounted a file system" &&
  umount "$W/mount"

while read -r name value _; do
  case $name in
    CapInh: | CapPrm: | CapEff: | CapBnd: | CapAmb:)
      [[ $value =~ ^0+$ ]] || broken privileges "has capabilities: ${name%:} $value" ;;
    NoNewPrivs:) [[ $value == 1 ]] || broken privileges "may gain privileges by running a program" ;;
    Seccomp:) [[ $value == 2 ]] || broken privileges "has no system call filter" ;;
  esac
done </proc/self/status
echo done
