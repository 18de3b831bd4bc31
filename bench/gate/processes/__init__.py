"""The processes of the gate: sides, their launch, and the turns in which they measure."""
