"""Operations: how the installation is doing, and what administrators do about it; a module for each page."""
