# Prints the documented targets of makefiles by group: `##@ Group` starts one, `target: ... ## text` documents a target.
FNR == 1 { group = "Develop" }
/^##@ / { group = substr($0, 5) }
/^[a-z][a-z-]*:.*## / {
  name = $0; sub(/:.*/, "", name)
  text = $0; sub(/.*## /, "", text)
  name = sprintf("%-18s", name)
  if (colour) name = "\033[" colour "m" name "\033[0m"
  lines[group] = lines[group] "  " name " " text "\n"
  if (!(group in seen)) { seen[group]; if (!index("|" groups "|", "|" group "|")) groups = groups "|" group }
}
END {
  count = split(groups, order, "|")
  for (number = 1; number <= count; number++)
    if (order[number] in lines) printf "%s%s\n%s", (number > 1 ? "\n" : ""), order[number], lines[order[number]]
}
