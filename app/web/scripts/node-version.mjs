// Succeeds where this Node is new enough to build with, as package.json says.

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const isEnough = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
process.exit(isEnough ? 0 : 1);
