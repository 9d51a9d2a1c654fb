/** Returns an IPv4 address as it is, and the first 64 bits of an IPv6 address. */
export const networkOf = (address: string): string => {
  const url = `http://[${address.replace(/%.*$/s, "")}]`
  if (!address.includes(":") || !URL.canParse(url)) return address
  const [before = [], after = []] = new URL(url).hostname.slice(1, -1).split("::").map(groupsOf)
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after]
  return groups.slice(0, 6).join(":") === "0:0:0:0:0:ffff"
    ? groups.slice(6).flatMap(bytesOf).join(".")
    : groups.slice(0, 4).join(":")
}

const groupsOf = (text: string): ReadonlyArray<string> => text === "" ? [] : text.split(":")

const bytesOf = (
  group: string
): ReadonlyArray<number> => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]
