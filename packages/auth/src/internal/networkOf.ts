/**
 * What an address is counted by: itself, or the network of 64 bits that whoever has an address of IPv6 has all of. RFC
 * 6177, section 2. One that stands for an address of IPv4 is that. What is no address is taken as it is.
 */
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
